#include "agent/keyed_hash.h"

#include <endian.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/wipe.h"

static uint64_t secret[2];

bool keyed_hash_open(void) {
    return getrandom(secret, sizeof secret, 0) == sizeof secret;
}

static uint64_t rotate(uint64_t x, int by) {
    return x << by | x >> (64 - by);
}

static uint64_t little(const unsigned char *at, size_t len) {
    uint64_t x = 0;
    for (size_t i = 0; i < len; i++)
        x |= (uint64_t)at[i] << (8 * i);
    return x;
}

/* In line and so in registers: every request hashes its token. */
#define IN_LINE static inline __attribute__((always_inline))

IN_LINE uint64_t whole_word(const unsigned char *at) {
    uint64_t x;
    memcpy(&x, at, sizeof x);
    return le64toh(x);
}

IN_LINE void rounds(uint64_t v[4], int count) {
    for (int i = 0; i < count; i++) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

IN_LINE void absorb(uint64_t v[4], uint64_t word) {
    v[3] ^= word;
    rounds(v, 2);
    v[0] ^= word;
}

struct keyed_hash keyed_hash_with(const uint64_t key[2], const void *data, size_t len) {
    const unsigned char *at = data;
    struct keyed_hash out;
    uint64_t v[4] = {UINT64_C(0x736f6d6570736575) ^ key[0], UINT64_C(0x646f72616e646f6d) ^ key[1] ^ 0xee,
                     UINT64_C(0x6c7967656e657261) ^ key[0], UINT64_C(0x7465646279746573) ^ key[1]};
    size_t left = len;
    for (; left >= 8; at += 8, left -= 8)
        absorb(v, whole_word(at));
    absorb(v, little(at, left) | (uint64_t)len << 56);
    v[2] ^= 0xee;
    for (int half = 0; half < 2; half++) {
        rounds(v, 4);
        uint64_t word = v[0] ^ v[1] ^ v[2] ^ v[3];
        for (int i = 0; i < 8; i++)
            out.bytes[half * 8 + i] = (unsigned char)(word >> (8 * i));
        v[1] ^= 0xdd;
    }
    return out;
}

struct keyed_hash keyed_hash(char kind, const void *data, size_t len) {
    const uint64_t key[2] = {secret[0] ^ (uint64_t)(unsigned char)kind, secret[1]};
    return keyed_hash_with(key, data, len);
}

bool keyed_hash_equal(const struct keyed_hash *a, const struct keyed_hash *b) {
    return secret_equal(a->bytes, sizeof a->bytes, b->bytes, sizeof b->bytes);
}

uint32_t keyed_hash_bits(const struct keyed_hash *hash) {
    return (uint32_t)little(hash->bytes, 4);
}
