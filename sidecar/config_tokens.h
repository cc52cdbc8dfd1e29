/* The key "tokens" of a profile in --config: a list of {"kind", its parameters, "file", "mode"}. */
#ifndef POD_IDENTITY_SIDECAR_CONFIG_TOKENS_H
#define POD_IDENTITY_SIDECAR_CONFIG_TOKENS_H

#include "common/text/json.h"
#include "sidecar/config.h"

/* False with where in the document, which key, and what is wrong with it. */
bool config_tokens_take(struct config_profile *p, const struct json *list, const struct json **at,
                        const char **key, struct buf *why);

/* Whether every file of all profiles has one writer. */
bool config_tokens_check(const struct config *c, struct buf *problem);

#endif
