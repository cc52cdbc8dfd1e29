/* Where credentials come from: one interface in front of every source. */
#ifndef POD_IDENTITY_SOURCE_H
#define POD_IDENTITY_SOURCE_H

#include "common/agent.h"
#include "common/injection.h"

enum source_kind {
    SOURCE_AUTO,        /* what was injected; never the node's role */
    SOURCE_POD_IDENTITY /* the EKS Pod Identity Agent */
};

/* "auto", "pod-identity", NULL: by the numbers above, and the one list of them. */
extern const char *const source_names[];
#define SOURCE_HELP                                                                                          \
    "where credentials come from: auto (what was injected, never the node's role), pod-identity"
const char *source_name(enum source_kind kind);

/* What the user asked for; all zero is the default. */
struct source_options {
    enum source_kind kind;
    enum injection_self self_injected;
};

struct source {
    enum source_kind kind; /* never SOURCE_AUTO after source_open() */
    struct injection injection;
    struct token token;
    struct http_header headers[2];
};

/* Finds out from the environment where to ask, and, where nothing was injected, from a token that the pod
 * mounts itself. REASON_NOT_INJECTED or REASON_INJECTION_INVALID with *failure if there is nothing usable;
 * these are permanent. Nothing is opened or sent. */
enum reason source_open(struct source *source, const struct source_options *options, injection_getenv *lookup,
                        struct failure *failure);

/* Reads the token afresh and makes the request. The token stays in *source until source_forget(). */
enum reason source_request(struct source *source, struct http_request *out, struct failure *failure);
void source_forget(struct source *source);

enum reason source_result(const struct source *source, const struct http_response *response,
                          struct moment now, struct credentials *out, struct failure *failure);

#endif
