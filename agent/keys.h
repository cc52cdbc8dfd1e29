/* The cluster's public keys, and whether a service account token is one of this cluster that this agent may
 * act upon. Keys live in memory: from a file (--jwks), or from the API server's /openid/v1/jwks; they are
 * read anew each hour, when the file changes, and for a token of the right issuer that names a key which is
 * not there, once in 10 s in all. What is gone there is gone here; a key set that cannot be read leaves the
 * keys as they are. One set for the process. */
#ifndef POD_IDENTITY_AGENT_KEYS_H
#define POD_IDENTITY_AGENT_KEYS_H

#include "agent/api_server.h"
#include "agent/claims.h"
#include "common/base/clock.h"
#include "common/base/failure.h"
#include "common/pod/jwt.h"

#define KEYS_RELOAD_MS (60 * 60 * 1000)
#define KEYS_PROMPTED_MS 10000
#define KEYS_RETRY_MS 5000 /* after a reading that failed, while there are no keys; doubling to a minute */

/* After each reading, whatever came of it: tokens that wait can be judged again. */
typedef void keys_changed(void);

struct keys_settings {               /* borrowed */
    const char *file;                /* --jwks; NULL: the API server */
    const struct api_server *server; /* opened; NULL with a file */
    const struct claims_rules *rules;
    keys_changed *changed;
};

/* After loop_open() and upstream_open(). Begins the first reading: a file is read at once. */
void keys_open(const struct keys_settings *settings);
bool keys_ready(void);

enum token_verdict {
    TOKEN_TRUSTED, /* signed by the cluster, and all claims are as they should be */
    TOKEN_REFUSED,
    TOKEN_WAITS,   /* keys are being read: judge again when keys_changed is called */
    TOKEN_UNJUDGED /* there are no keys: keys_failure() says why */
};

#define TOKEN_WHY_MAX 320
struct token_judgement {
    struct jwt_claims claims; /* of TOKEN_TRUSTED */
    const char *code;         /* of TOKEN_REFUSED: "InvalidTokenException", "ExpiredTokenException" */
    char why[TOKEN_WHY_MAX];  /* likewise: a phrase, "the token was issued by another cluster: …" */
};

/* Costs a signature's verification (some 100 us) where the claims are right, and nothing upstream but the
 * reload. */
enum token_verdict keys_judge(const char *token, size_t len, struct moment now, struct token_judgement *out);

/* Why there are no keys. */
const struct failure *keys_failure(void);

#endif
