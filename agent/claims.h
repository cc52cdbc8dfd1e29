/* What a service account token has to say before this agent hands out a role for it, where no EKS Auth judges
 * it. The signature is checked before (common/pod/jws.h). Source: AGENT.md of this project's design;
 * Kubernetes pkg/serviceaccount/claims.go. No I/O. */
#ifndef POD_IDENTITY_AGENT_CLAIMS_H
#define POD_IDENTITY_AGENT_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/pod/jwt.h"

#define CLAIMS_ISSUERS_MAX 4 /* a cluster that changes its issuer accepts two for a while */

struct claims_rules { /* all text is borrowed */
    const char *issuers[CLAIMS_ISSUERS_MAX];
    size_t issuer_count;
    const char *audience;
    const char *node; /* this node's name; NULL: tokens of any node's pods are taken */
};

/* True if a signed token's claims satisfy the rules at that time. Else *code is the name that EKS Auth gives
 * such an error
 * ("ExpiredTokenException", "InvalidTokenException"), and why a phrase that ends a sentence. */
bool claims_accept(const struct claims_rules *rules, const struct jwt_claims *claims, int64_t now_s,
                   const char **code, struct buf *why);

#endif
