/* The checks, in the order in which a person would make them: each looks at one thing and tells what it
 * found. */
#ifndef POD_IDENTITY_INIT_CHECKS_H
#define POD_IDENTITY_INIT_CHECKS_H

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
    struct token token;     /* until its format was looked at */
    struct failure opening; /* of the source; reason is REASON_OK if it is usable */
    struct jwt_claims claims;
    struct wait_result fetched;
    char other_family[256]; /* what the agent's other address said; "" if it was not asked */
};

/* Fills in *finding, which comes zeroed: the message always, reason and remedy for a warning or failure. */
typedef enum check_status check_function(struct run *run, struct failure *finding);

/* Runs all; those behind a failure are skipped. */
void checks_run(struct run *run, struct report *report);

/* One line a check: its name, and what it looks at. */
#define CHECKS_LIST_MAX 4096
void checks_list(struct buf *out);

/* ---- for the files that hold the checks ---- */

check_function check_install;
check_function check_injection_labels, check_injection_pair, check_injection_uri, check_injection_token_path;
check_function check_shadow_static_keys, check_shadow_profile, check_shadow_credentials_file;
check_function check_shadow_web_identity, check_shadow_relative_uri, check_shadow_proxy,
    check_shadow_metadata;
check_function check_shadow_region, check_shadow_config_file;
check_function check_token_readable, check_token_format, check_token_audience, check_token_issuer;
check_function check_token_times, check_token_identity;
check_function check_agent_reachable, check_agent_credentials, check_agent_clock;
check_function check_credentials_lifetime, check_credentials_account, check_identity_caller;

/* A message for a check that passed or is skipped. */
enum check_status check_passed(struct failure *finding, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
enum check_status check_skipped(struct failure *finding, const char *message);

/* Foreign text within a message: quoted, one line, and not all of it if it is long. */
void check_quote(struct buf *message, const char *text);

/* The whole file, without waiting for a pipe; false with errno if it cannot be read, with EFBIG if it has
 * more than max bytes. out has room for max + 1. */
bool check_read_file(const char *path, char *out, size_t max, size_t *len);

/* Who is asked first: "the agent", "STS", "EKS Auth". */
const char *check_server(const struct run *run);

/* Whether a variable is set and not empty. */
bool check_is_set(const struct run *run, const char *name);

/* The id of the cluster's OIDC issuer, the only name of a cluster in a token; NULL if it is not EKS's. */
const char *check_cluster_id(const struct jwt_claims *claims);

#endif
