/* One check: what it is handed, and what it tells what it found with. */
#ifndef POD_IDENTITY_INIT_CHECK_H
#define POD_IDENTITY_INIT_CHECK_H

#include "common/aws/identity.h"
#include "common/pod/jwt.h"
#include "common/source/source.h"
#include "init/config.h"
#include "init/labels.h"
#include "init/report.h"
#include "init/wait.h"

/* What the labels say about the webhook (--pod-labels). */
struct pod_labels {
    bool read;     /* the file was there and well-formed */
    bool injected; /* eks.amazonaws.com/pod-identity=enabled: the webhook has been at this pod */
    bool skipped;  /* eks.amazonaws.com/skip-pod-identity-webhook: the pod asks not to be injected */
};

/* What the checks hand on to those behind them. Zero it; large, so static. */
struct run {
    const struct config *config;
    injection_getenv *lookup;
    struct pod_labels labels;
    struct source source;
    struct source_scratch scratch; /* of it */
    struct uri alternate;          /* the agent's other address, while both are asked in turn */
    struct uri other;              /* the agent's other address, to be looked at when the first failed */
    struct fetch fetch;
    struct http_transfer probe; /* without a token */
    struct identity_exchange identity;
    struct token token;     /* until its format was looked at */
    struct failure opening; /* of the source; reason is REASON_OK if it is usable */
    struct jwt_claims claims;
    struct wait_result fetched;
    char other_family[256]; /* what the agent's other address said; "" if it was not asked */
};

/* Fills in *finding, which comes zeroed: the message always, reason and remedy for a warning or failure. */
typedef enum check_status check_function(struct run *run, struct failure *finding);

/* A message for a check that passed or is skipped. */
enum check_status check_passed(struct failure *finding, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
enum check_status check_skipped(struct failure *finding, const char *message);

/* Foreign text within a message: quoted, one line, and not all of it if it is long. */
void check_quote(struct buf *message, const char *text);
void check_quote_uri(struct buf *message, const struct uri *uri);

/* The whole file, without waiting for a pipe; false with errno if it cannot be read, with EFBIG if it has
 * more than max bytes. out has room for max + 1. */
bool check_read_file(const char *path, char *out, size_t max, size_t *len);

/* Who is asked first: "the agent", "STS", "EKS Auth". */
const char *check_server(const struct run *run);

/* Whether a variable is set and not empty. */
bool check_is_set(const struct run *run, const char *name);

/* The remedy where this container was given what is the app's: the endpoint and the bearer of a sidecar. */
#define CHECK_APPS_REMEDY                                                                                    \
    "a sidecar's endpoint and bearer are for the app's container only: take " INJECTION_URI                  \
    " and " INJECTION_TOKEN_FILE " out of this container's env, so that the webhook injects the agent's"

/* Whether the address that was injected is one of this pod's own loopback, where no agent is. */
bool check_is_loopback(const struct run *run);

/* The id of the cluster's OIDC issuer, the only name of a cluster in a token; NULL if it is not EKS's. */
const char *check_cluster_id(const struct jwt_claims *claims);

#endif
