/* What was injected into this container: the environment that EKS Pod Identity or IRSA sets, read and judged.
 *
 * Source: aws/amazon-eks-pod-identity-webhook pkg/handler/handler.go. Nothing is opened or sent here. */
#ifndef POD_IDENTITY_INJECTION_H
#define POD_IDENTITY_INJECTION_H

#include <stdbool.h>

#include "common/failure.h"
#include "common/uri.h"

#define INJECTION_URI "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define INJECTION_TOKEN_FILE "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
#define INJECTION_ROLE_ARN "AWS_ROLE_ARN"
#define INJECTION_WEB_TOKEN_FILE "AWS_WEB_IDENTITY_TOKEN_FILE"
#define INJECTION_AUDIENCE "pods.eks.amazonaws.com" /* of the Pod Identity token */

#define INJECTION_PATH_MAX 4096 /* PATH_MAX */

/* How a variable is looked up: getenv() in the programs, a table in the tests. NULL: not set. */
typedef const char *injection_getenv(const char *name);

struct injection {
    bool pod_identity; /* the pair is there and usable */
    bool web_identity; /* the IRSA pair is there (both non-empty) */
    struct uri uri;
    char token_path[INJECTION_PATH_MAX];
};

/* REASON_OK with pod_identity set; or REASON_NOT_INJECTED (neither; or IRSA only, which web_identity tells),
 * or REASON_INJECTION_INVALID (half a pair, an unusable URI or path, a host to which no SDK would send the
 * token). */
enum reason injection_read(injection_getenv *lookup, struct injection *out, struct failure *failure);

#endif
