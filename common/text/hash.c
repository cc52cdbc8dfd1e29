#include "common/text/hash.h"

#include <bearssl.h>

#include "common/base/wipe.h"

void hash_sha256(const void *data, size_t len, unsigned char out[HASH_SIZE]) {
    br_sha256_context context;
    br_sha256_init(&context);
    br_sha256_update(&context, data, len);
    br_sha256_out(&context, out);
    wipe(&context, sizeof context);
}

void hash_hmac(const void *key, size_t key_len, const void *data, size_t len, unsigned char out[HASH_SIZE]) {
    br_hmac_key_context key_context;
    br_hmac_context context;
    br_hmac_key_init(&key_context, &br_sha256_vtable, key, key_len);
    br_hmac_init(&context, &key_context, 0);
    br_hmac_update(&context, data, len);
    br_hmac_out(&context, out);
    wipe(&key_context, sizeof key_context);
    wipe(&context, sizeof context);
}

void hash_hex(const unsigned char hash[HASH_SIZE], char out[HASH_HEX_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < HASH_SIZE; i++) {
        *out++ = digits[hash[i] >> 4];
        *out++ = digits[hash[i] & 15];
    }
    *out = '\0';
}
