/* Where credentials come from: one interface in front of every source.
 *
 * A source is a chain of hops. The first brings the pod's own role (from the agent, from STS with a web
 * identity, from EKS Auth); each one behind it assumes a role with what the hop before brought. Each hop
 * keeps its result, and is asked again when half of its life is over, so that a refresh costs one request as
 * a rule; a hop that cannot be renewed is used as long as it lasts. A guard behind them (options->guard) asks
 * at each fetch whose credentials came, and lets none through for another identity. No I/O but the reading of
 * the token. */
#ifndef POD_IDENTITY_SOURCE_SOURCE_H
#define POD_IDENTITY_SOURCE_SOURCE_H

#include "common/aws/node_credentials.h"
#include "common/pod/agent_client.h"
#include "common/pod/injection.h"
#include "common/source/source_options.h"
#include "common/text/secrets.h"

const char *source_name(enum source_kind kind);

enum hop_kind { HOP_AGENT, HOP_WEB_IDENTITY, HOP_NODE, HOP_EKS_AUTH, HOP_ASSUME_ROLE, HOP_GUARD };
#define SOURCE_HOPS_MAX (SOURCE_ROLES_MAX + 3)

struct hop {
    enum hop_kind kind;
    const struct sts_role *role; /* of HOP_WEB_IDENTITY and HOP_ASSUME_ROLE */
    int64_t renew_wall_ms;       /* 0: before it is used */
    struct credentials credentials;
};

/* What a request under construction is made of, and the credentials of an answer while it is judged: nothing
 * of it lasts from one source_begin() or source_answer() to the next, but for a request that was not started
 * yet. So one does for all sources of a thread. Zero it; large, so static. */
struct source_scratch {
    struct http_header headers[2];
    struct sts_identity who;  /* of the last answer: whose fresh are, as far as it tells */
    struct credentials fresh; /* so that a failure leaves the old ones */
    struct token token;
    struct aws_call call;
};

/* Zero it; large, so static. */
struct source {
    struct secret_holder secrets; /* what all hops keep, and the token */
    enum source_kind kind;        /* never SOURCE_AUTO after source_open() */
    const struct source_options *options;
    injection_getenv *lookup;
    struct source_scratch *scratch;
    struct injection injection; /* token_path is set for every source that has a token */
    struct endpoint sts, eks_auth;
    struct sts_role web_role; /* of the web identity */
    char session_name[STS_SESSION_NAME_MAX + 1];
    struct node_fetch node;
    int64_t skew_ms;     /* what AWS's clock is ahead of ours; 0 until a signature was refused for it */
    bool skew_corrected; /* in this fetch */
    int64_t ahead_ms;    /* what the clock of the last answer's server is ahead of ours; 0: not for certain */
    bool ahead_told;
    size_t hop_count, at;
    struct hop hops[SOURCE_HOPS_MAX];
};

/* Finds out from the environment where to ask, and, where nothing was injected, from a token that the pod
 * mounts itself. options and scratch are borrowed. REASON_NOT_INJECTED, REASON_INJECTION_INVALID or
 * REASON_SETTING_INVALID with *failure if there is nothing usable; these are permanent. Nothing is opened or
 * sent. */
enum reason source_open(struct source *source, const struct source_options *options, injection_getenv *lookup,
                        struct source_scratch *scratch, struct failure *failure);

/* The server that is asked first, for messages, and the file whose token is sent. */
const struct uri *source_upstream(const struct source *source);
const char *source_token_path(const struct source *source);
/* The reason while the server that is being asked has not answered. */
enum reason source_silence(const struct source *source);
/* Whether anything is asked over TLS. */
bool source_uses_tls(const struct source *source);

enum source_step {
    SOURCE_SEND,  /* send the request, and bring the answer to source_answer() */
    SOURCE_DONE,  /* source_credentials() are fresh */
    SOURCE_FAILED /* see *failure */
};

/* Begins a fetch. A request is good until source_forget(), which is due when it was started. */
enum source_step source_begin(struct source *source, struct moment now, struct http_request *out,
                              struct failure *failure);
enum source_step source_answer(struct source *source, const struct http_response *response, struct moment now,
                               struct http_request *out, struct failure *failure);
/* Wipes what a request was made of. */
void source_forget(struct source *source);

/* The result of the last fetch, until the next one or source_wipe_result(). */
const struct credentials *source_credentials(const struct source *source);
/* Whose it is, as far as the fetch that has just ended was told: an agent tells nothing, unless there is a
 * guard for the role. Good until any source with this scratch is driven again. */
const struct sts_identity *source_identity(const struct source *source);
/* When it ends, by this machine's clock: earlier than its Expiration says where AWS's clock is ahead of ours,
 * which only STS and EKS Auth can tell (the agent's Date is this node's own clock). Never later: what has
 * ended by our clock counts as ended, too, as SDKs judge by it. */
int64_t source_ends_wall_ms(const struct source *source);
void source_wipe_result(struct source *source);

/* Wipes all that hops keep. */
void source_wipe(struct source *source);

/* The next fetch asks every hop anew. */
void source_renew(struct source *source);

#endif
