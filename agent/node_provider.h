/* Where the agent's own credentials and its region come from: which source, its requests, and what its
 * answers are taken for. No loop, no timer: node.c has those. The files that it reads are small and local. */
#ifndef POD_IDENTITY_AGENT_NODE_PROVIDER_H
#define POD_IDENTITY_AGENT_NODE_PROVIDER_H

#include "agent/node_file.h"
#include "agent/settings.h"
#include "common/aws/node_credentials.h"
#include "common/aws/sts.h"

/* Expired credentials of the metadata service are what AWS hands out while it cannot make new ones: they are
 * used, and asked for again after some minutes. */
#define NODE_PROVIDER_STALE_MS (10 * 60 * 1000)

enum node_provider_kind {
    NODE_PROVIDER_ENVIRONMENT,
    NODE_PROVIDER_WEB_IDENTITY,
    NODE_PROVIDER_FILE,
    NODE_PROVIDER_IMDS
};

enum node_provider_step {
    NODE_PROVIDER_SEND,  /* send *out, and bring the answer */
    NODE_PROVIDER_DONE,  /* credentials and ends_ms are set, and the region */
    NODE_PROVIDER_FAILED /* see *failure */
};

/* Zero it; large, so static. */
struct node_provider {
    enum node_provider_kind kind;
    injection_getenv *lookup;
    char region[ENDPOINT_REGION_MAX]; /* "" until it is known */
    bool asking_region;
    struct node_file file;
    struct endpoint sts;
    struct sts_role role;
    const char *token_path; /* of the web identity; else NULL */
    struct node_fetch imds;
    char region_url[URI_HOST_MAX + 80];
    struct credentials credentials;
    int64_t ends_ms; /* wall time; later than the credentials say for those that are used past their end */
};

/* Chooses, in this order: environment; web identity; the shared credentials file, if it is there or is asked
 * for (--rotate-credentials: that alone, profile "default"); the metadata service. settings and lookup are
 * borrowed. REASON_SETTING_INVALID, permanent: half of a pair of variables, a region or endpoint that is
 * none, nothing at all (AWS_EC2_METADATA_DISABLED). */
enum reason node_provider_open(struct node_provider *provider, const struct settings *settings,
                               injection_getenv *lookup, struct failure *failure);

/* *out is good until the request was started; it may be made of *call and *token, which are wiped then. */
enum node_provider_step node_provider_begin(struct node_provider *provider, struct token *token,
                                            struct aws_call *call, struct http_request *out,
                                            struct failure *failure);
enum node_provider_step node_provider_answer(struct node_provider *provider,
                                             const struct http_response *response, struct moment now,
                                             struct token *token, struct aws_call *call,
                                             struct http_request *out, struct failure *failure);

const char *node_provider_name(enum node_provider_kind kind);

#endif
