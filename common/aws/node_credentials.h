/* The node's own credentials, with which EKS Auth is asked where no agent runs: from the instance metadata
 * service (version 2 only) or from the environment. Never handed on.
 *
 * Source: EC2 User Guide, "Use IMDSv2"; AWS SDKs and Tools Reference Guide, "IMDS credential provider". No
 * I/O here. */
#ifndef POD_IDENTITY_AWS_NODE_CREDENTIALS_H
#define POD_IDENTITY_AWS_NODE_CREDENTIALS_H

#include "common/base/clock.h"
#include "common/base/failure.h"
#include "common/http/http.h"
#include "common/pod/credentials.h"
#include "common/pod/injection.h"

#define NODE_CREDENTIALS_TIMEOUT_MS 2000 /* it is on the same host */
#define NODE_CREDENTIALS_TOKEN_MAX 256   /* of a session; 56 characters in practice */
#define NODE_CREDENTIALS_ROLE_MAX 65

/* A fetch from the metadata service, in three requests. Zero it; wipe it after use. */
struct node_fetch {
    enum { NODE_SESSION, NODE_ROLE, NODE_CREDENTIALS } step;
    struct uri base;
    char url[URI_HOST_MAX + 160];
    char session[NODE_CREDENTIALS_TOKEN_MAX];
    char role[NODE_CREDENTIALS_ROLE_MAX];
    struct http_header headers[1];
};

/* Where the service is: AWS_EC2_METADATA_SERVICE_ENDPOINT, or by AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE.
 * REASON_SETTING_INVALID if that is no http:// address that is local. */
enum reason node_fetch_open(struct node_fetch *fetch, injection_getenv *lookup, struct failure *failure);

/* Begins again with the first request. */
void node_fetch_restart(struct node_fetch *fetch);
/* The request of the present step. */
void node_fetch_request(struct node_fetch *fetch, struct http_request *out);
/* Judges its answer. *more: the next request is wanted; else *out holds the credentials. */
enum reason node_fetch_result(struct node_fetch *fetch, const struct http_response *response,
                              struct moment now, struct credentials *out, bool *more,
                              struct failure *failure);

/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if set, AWS_SESSION_TOKEN; they never end. */
enum reason node_environment(injection_getenv *lookup, struct credentials *out, struct failure *failure);

#endif
