/* A look into a service account token. NOTHING IS VERIFIED: the signature is AWS's business, and these claims
 * serve only to tell a user early what AWS would refuse. Source: RFC 7519; Kubernetes
 * pkg/serviceaccount/claims.go. */
#ifndef POD_IDENTITY_POD_JWT_H
#define POD_IDENTITY_POD_JWT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define JWT_TEXT_MAX 512     /* a claim's text and its NUL: issuer URLs are about 80, names at most 253 */
#define JWT_AUDIENCES_MAX 8  /* the API server issues one, as asked for */
#define JWT_CLAIMS_MAX 16384 /* decoded bytes: one to two kB in practice */

struct jwt_claims {
    char issuer[JWT_TEXT_MAX];
    char subject[JWT_TEXT_MAX];
    char audiences[JWT_AUDIENCES_MAX][JWT_TEXT_MAX];
    size_t audience_count;
    char namespace[JWT_TEXT_MAX];       /* "" if the token does not say */
    char service_account[JWT_TEXT_MAX]; /* likewise */
    char pod[JWT_TEXT_MAX];             /* likewise */
    char pod_uid[JWT_TEXT_MAX];         /* likewise */
    char node[JWT_TEXT_MAX];            /* likewise: tokens name it since Kubernetes 1.30 */
    int64_t issued_at_s, not_before_s, expires_s;
    bool has_issued_at, has_not_before, has_expires;
};

/* Decodes the claims of a compact JWT. Namespace and service account come from the "kubernetes.io" claim, or
 * from the subject "system:serviceaccount:NAMESPACE:NAME" where that is missing. ERR_SYNTAX (not three
 * base64url parts, or not JSON), ERR_TYPE (a claim of the wrong type, say a number as a string),
 * ERR_TOO_LONG, ERR_TOO_DEEP. `wrong` (may be NULL) is set to what was wrong: static text, no content of the
 * token. */
enum err jwt_inspect_unverified(const char *token, size_t len, struct jwt_claims *out, const char **wrong);

bool jwt_has_audience(const struct jwt_claims *claims, const char *audience);

#endif
