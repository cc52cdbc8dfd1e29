/* Whose credentials these are: sts:GetCallerIdentity, which needs no permission and cannot be denied. */
#ifndef POD_IDENTITY_AWS_IDENTITY_H
#define POD_IDENTITY_AWS_IDENTITY_H

#include "common/aws/sts.h"
#include "common/text/secrets.h"

/* Storage of the exchange: zero it once; it lives as long as the process (see secrets.h). */
struct identity_exchange {
    struct secret_holder holder;
    const struct credentials *signer;
    struct aws_call call;
    struct http_transfer transfer;
};

/* One exchange, waited for: http_open(NULL) must have been called. Where the signature is refused and the
 * server's clock is far from ours, it is signed again by that; *skew_s then says how far, else 0. */
enum reason identity_ask(const struct endpoint *sts, const struct credentials *credentials,
                         struct identity_exchange *exchange, struct sts_identity *out, int64_t *skew_s,
                         struct failure *failure);

#endif
