/* What was injected into this container: the environment that EKS Pod Identity or IRSA sets, read and judged.
 *
 * Source: aws/amazon-eks-pod-identity-webhook pkg/handler/handler.go. Nothing is opened or sent here. */
#ifndef POD_IDENTITY_POD_INJECTION_H
#define POD_IDENTITY_POD_INJECTION_H

#include <stdbool.h>

#include "common/base/failure.h"
#include "common/text/uri.h"

#define INJECTION_URI "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define INJECTION_TOKEN_FILE "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
/* For a remedy: where associations are, if nobody knows what cluster it is. */
#define INJECTION_ASSOCIATIONS                                                                               \
    "on EKS: aws eks list-pod-identity-associations --cluster-name CLUSTER; on another cluster: the key "    \
    "NAMESPACE.SERVICEACCOUNT in the ConfigMap of pod-identity-agent"
#define INJECTION_TOKEN_VALUE "AWS_CONTAINER_AUTHORIZATION_TOKEN"
#define INJECTION_ROLE_ARN "AWS_ROLE_ARN"
#define INJECTION_WEB_TOKEN_FILE "AWS_WEB_IDENTITY_TOKEN_FILE"
#define INJECTION_AUDIENCE "pods.eks.amazonaws.com" /* of the Pod Identity token */
#define INJECTION_WEB_AUDIENCE "sts.amazonaws.com"  /* of the one for IRSA */

/* What the webhook injects, and what a pod that mounts its own token is taken to mean. */
#define INJECTION_STANDARD_URI "http://" URI_EKS_V4 "/v1/credentials"
#define INJECTION_STANDARD_TOKEN_FILE                                                                        \
    "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"

#define INJECTION_PATH_MAX 4096 /* PATH_MAX */

/* Whether a token that the pod itself mounts at the standard path does for an injection that is missing. */
enum injection_self { INJECTION_SELF_AUTO, INJECTION_SELF_NEVER, INJECTION_SELF_REQUIRE };
/* "auto", "never", "require", NULL: by the numbers above. */
extern const char *const injection_self_names[];
#define INJECTION_SELF_HELP                                                                                  \
    "use the token that the pod itself mounts at the standard path, if nothing was injected: auto, never, "  \
    "or require (it must be there)"

/* How a variable is looked up: getenv() in the programs, a table in the tests. NULL: not set. */
typedef const char *injection_getenv(const char *name);

/* Which part of an injection is not in order. */
enum injection_part { INJECTION_PART_NONE, INJECTION_PART_PAIR, INJECTION_PART_URI, INJECTION_PART_PATH };

struct injection {
    bool pod_identity;  /* the pair is there and usable */
    bool web_identity;  /* the IRSA pair is there (both non-empty) */
    bool self_injected; /* not injected: the pod's own token at the standard path, and the default address */
    enum injection_part wrong;
    struct uri uri;
    char token_path[INJECTION_PATH_MAX];
};

/* REASON_OK with pod_identity set; or REASON_NOT_INJECTED (neither; or IRSA only, which web_identity tells),
 * or REASON_INJECTION_INVALID (half a pair, an unusable URI or path, a host to which no SDK would send the
 * token). Of a failure, `wrong` tells the part; the parts before it are filled in. */
enum reason injection_read(injection_getenv *lookup, struct injection *out, struct failure *failure);

/* Whether AWS_ENDPOINT_URL_STS or AWS_ENDPOINT_URL names an STS, perhaps of another maker than AWS. */
bool injection_own_sts(injection_getenv *lookup);

/* The pair of IRSA instead: AWS_ROLE_ARN is judged, and AWS_WEB_IDENTITY_TOKEN_FILE is taken for token_path.
 * The same reasons. */
enum reason injection_read_web(injection_getenv *lookup, struct injection *out, struct failure *failure);

/* After REASON_NOT_INJECTED: takes the standard path and address as if they had been injected. */
void injection_adopt(struct injection *injection);

/* The failure for INJECTION_SELF_REQUIRE when there is no token at the standard path. */
enum reason injection_own_token_missing(struct failure *failure);

#endif
