#include "tests/unit/agent/tokens.h"

#include <bearssl.h>
#include <stdio.h>
#include <string.h>

#include "common/text/base64url.h"
#include "common/text/hash.h"

static struct {
    br_ec_private_key private;
    br_ec_public_key public;
    unsigned char of_private[BR_EC_KBUF_PRIV_MAX_SIZE], of_public[BR_EC_KBUF_PUB_MAX_SIZE];
} keys[TOKENS_KEYS];

static void make_keys(void) {
    br_hmac_drbg_context random;
    if (keys[0].private.xlen > 0)
        return;
    br_hmac_drbg_init(&random, &br_sha256_vtable, "tokens", 6);
    for (size_t i = 0; i < TOKENS_KEYS; i++) {
        (void)br_ec_keygen(&random.vtable, &br_ec_p256_m31, &keys[i].private, keys[i].of_private,
                           BR_EC_secp256r1);
        (void)br_ec_compute_pub(&br_ec_p256_m31, &keys[i].public, keys[i].of_public, &keys[i].private);
    }
}

const char *tokens_jwk(size_t i, const char *id) {
    static char text[512];
    char x[BASE64URL_SIZE(32)], y[BASE64URL_SIZE(32)];
    make_keys();
    base64url_encode(keys[i].public.q + 1, 32, x);
    base64url_encode(keys[i].public.q + 33, 32, y);
    snprintf(text, sizeof text,
             "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"use\":\"sig\",\"kid\":\"%s\",\"x\":"
             "\"%s\",\"y\":\"%s\"}",
             id, x, y);
    return text;
}

const char *tokens_sign(size_t i, const char *header, const char *claims) {
    static char text[8192];
    unsigned char hash[HASH_SIZE], signature[64];
    make_keys();
    base64url_encode((const unsigned char *)header, strlen(header), text);
    strcat(text, ".");
    base64url_encode((const unsigned char *)claims, strlen(claims), text + strlen(text));
    hash_sha256(text, strlen(text), hash);
    (void)br_ecdsa_i31_sign_raw(&br_ec_p256_m31, &br_sha256_vtable, hash, &keys[i].private, signature);
    strcat(text, ".");
    base64url_encode(signature, sizeof signature, text + strlen(text));
    return text;
}
