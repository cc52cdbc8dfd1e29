/* Signatures of service account tokens, held against the cluster's own keys.
 *
 * Only what an API server signs with and this project can check: RS256 with keys of 2048 to 4096 bits, ES256.
 * The key decides the algorithm; what the token's header says must be the same, so that no token can choose
 * how it is judged. Source: RFC 7515, RFC 7517, RFC 7518 sections 3.3, 3.4 and 6; Kubernetes
 * pkg/serviceaccount/openidmetadata.go (/openid/v1/jwks). No I/O here. */
#ifndef POD_IDENTITY_POD_JWS_H
#define POD_IDENTITY_POD_JWS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"

#define JWS_KEYS_MAX 16     /* a cluster has one, and two while it changes it */
#define JWS_KEY_ID_MAX 129  /* with its NUL; Kubernetes makes 43 characters of a hash */
#define JWS_HEADER_MAX 1024 /* decoded; real ones have some 70 bytes */
#define JWS_RSA_MAX 512     /* bytes of a modulus, and of a signature */

struct jws_key {
    char id[JWS_KEY_ID_MAX];
    bool rsa;                       /* else a point of P-256 */
    size_t len, exponent_len;       /* of the modulus, without leading zeros, and of the exponent */
    unsigned char exponent[4];      /* big-endian, as all numbers here */
    unsigned char key[JWS_RSA_MAX]; /* modulus; or 0x04, x, y */
};

struct jws_keys {
    size_t count;
    struct jws_key keys[JWS_KEYS_MAX];
};

/* Reads a JSON Web Key Set. Keys for something else than to check RS256 or ES256 signatures are passed over,
 * and counted in *unused (may be NULL). ERR_SYNTAX, ERR_TYPE: no key set; `wrong` says which part, as static
 * text. ERR_MISSING: no usable key in it; ERR_TOO_LONG: more than JWS_KEYS_MAX, or two with one id
 * (ERR_RANGE). On an error *out is left as it was. */
enum err jws_keys_parse(const char *json, size_t len, struct jws_keys *out, size_t *unused,
                        const char **wrong);

enum jws_verdict {
    JWS_SIGNED,      /* by a key of the set; the claims may be believed */
    JWS_MALFORMED,   /* not three parts of base64url, or a header that is none */
    JWS_NOT_ALLOWED, /* another algorithm, or a header that asks for what we do not do ("crit") */
    JWS_NO_KEY_ID,   /* the header names no key, and there is more than one */
    JWS_UNKNOWN_KEY, /* a key that is not in the set: it may be newer than the set */
    JWS_FORGED       /* the signature is not that key's over these bytes */
};

/* A phrase that fits behind "the token ": "is not signed by …". Static text. */
const char *jws_verdict_text(enum jws_verdict verdict);

/* Judges the signature of a compact JWS, and nothing else: not its claims, not its times. */
enum jws_verdict jws_verify(const struct jws_keys *keys, const char *token, size_t len);

#endif
