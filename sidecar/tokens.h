/* GET /v1/token/KIND?PARAMETER=VALUE&…: passwords and bearers that are signed with a profile's credentials
 * (common/aws/aws_token.h has kinds and parameters; name is the profile, by default the first).
 *
 * The answer is the token, as text; a header says when it ends. The last token of each set of parameters is
 * handed out until two thirds of its life are over, or the credentials were refreshed. Signing costs time, so
 * each user of a socket may have TOKENS_AT_ONCE new ones, and another each TOKENS_PACE_MS: then 429. */
#ifndef POD_IDENTITY_SIDECAR_TOKENS_H
#define POD_IDENTITY_SIDECAR_TOKENS_H

#include "common/serve/request.h"
#include "sidecar/answers.h"

#define TOKENS_PATH "/v1/token/"
#define TOKENS_KEPT 16 /* in all profiles together; the oldest makes room */
#define TOKENS_AT_ONCE 64
#define TOKENS_PACE_MS 100
#define TOKENS_USERS                                                                                         \
    8 /* that are told apart; a new one takes the place of whoever has not asked for longest */

/* What a request must have been parsed with. */
extern const struct request_extras tokens_extras;

/* view: what the caller may see (answers.h). path: what follows TOKENS_PATH. user: who asks. */
const struct answer *tokens_pick(size_t view, const struct request *request, const char *path, uint32_t user);

/* A profile's credentials have changed, or are gone. */
void tokens_forget(size_t profile);
void tokens_wipe(void);

#endif
