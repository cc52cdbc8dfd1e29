/* Service account tokens that are really signed (ES256), for the tests of who believes them. */
#ifndef POD_IDENTITY_TESTS_UNIT_AGENT_TOKENS_H
#define POD_IDENTITY_TESTS_UNIT_AGENT_TOKENS_H

#include <stddef.h>

#define TOKENS_KEYS 2

/* Key i as a JSON Web Key with that id. Static storage, until the next call. */
const char *tokens_jwk(size_t i, const char *id);
/* A token with that header and those claims, signed by key i. Static storage, likewise. */
const char *tokens_sign(size_t i, const char *header, const char *claims);

#endif
