/* Signs a token at this moment, for a request or a file. */
#ifndef POD_IDENTITY_SIDECAR_TOKEN_MAKE_H
#define POD_IDENTITY_SIDECAR_TOKEN_MAKE_H

#include "common/aws/aws_token.h"

/* Appends it to out, which AWS_TOKEN_MAX bytes do for. *life_s: how long it lives. False: why says why not.
 */
bool token_make(const struct aws_token *t, const struct credentials *c, struct buf *out, int64_t *life_s,
                struct buf *why);

#endif
