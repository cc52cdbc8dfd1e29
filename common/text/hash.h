/* SHA-256 and HMAC-SHA-256 (over BearSSL). */
#ifndef POD_IDENTITY_TEXT_HASH_H
#define POD_IDENTITY_TEXT_HASH_H

#include <stddef.h>

#define HASH_SIZE 32
#define HASH_HEX_SIZE 65 /* lower-case hex and its NUL */

void hash_sha256(const void *data, size_t len, unsigned char out[HASH_SIZE]);
/* key and data may be any length; out may be the key. */
void hash_hmac(const void *key, size_t key_len, const void *data, size_t len, unsigned char out[HASH_SIZE]);
void hash_hex(const unsigned char hash[HASH_SIZE], char out[HASH_HEX_SIZE]);

#endif
