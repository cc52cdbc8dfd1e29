#include "agent/keyed_hash.h"

#include <endian.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/wipe.h"

#define PAIR (2 * sizeof(uint64_t)) /* of words, which are multiplied */

static struct { uint64_t hash[2], words[KEYED_HASH_PLACED / sizeof(uint64_t)], mix[6]; } secret;

/* The kernel gives at most 256 bytes at once for certain. */
bool keyed_hash_open(void) {
    unsigned char *at = (unsigned char *)&secret;
    for (size_t left = sizeof secret; left > 0;) {
        ssize_t n = getrandom(at, left < 256 ? left : 256, 0);
        if (n <= 0)
            return false;
        at += n;
        left -= (size_t)n;
    }
    return true;
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

static uint64_t whole_word(const unsigned char *at) {
    uint64_t x;
    memcpy(&x, at, sizeof x);
    return le64toh(x);
}

static void rounds(uint64_t v[4], int count) {
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

static void absorb(uint64_t v[4], uint64_t word) {
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
    const uint64_t key[2] = {secret.hash[0] ^ (uint64_t)(unsigned char)kind, secret.hash[1]};
    return keyed_hash_with(key, data, len);
}

bool keyed_hash_equal(const struct keyed_hash *a, const struct keyed_hash *b) {
    return secret_equal(a->bytes, sizeof a->bytes, b->bytes, sizeof b->bytes);
}

uint32_t keyed_hash_bits(const struct keyed_hash *hash) {
    return (uint32_t)little(hash->bytes, 4);
}

/* ---- places ---- */

__extension__ typedef unsigned __int128 wide;

static wide product(const unsigned char *at, const uint64_t keys[2]) {
    uint64_t words[2];
    memcpy(words, at, sizeof words);
    return (wide)(words[0] + keys[0]) * (words[1] + keys[1]);
}

uint32_t keyed_hash_place(const void *data, size_t len) {
    size_t left = len < KEYED_HASH_PLACED ? len : KEYED_HASH_PLACED;
    const unsigned char *at = (const unsigned char *)data + (len - left);
    const uint64_t *keys = secret.words, *mix = secret.mix;
    unsigned char rest[PAIR] = {0};
    wide sum = 0;
    for (const unsigned char *end = at + left / PAIR * PAIR; at != end; at += PAIR, keys += 2)
        sum += product(at, keys);
    left %= PAIR;
    if (left > 0) {
        memcpy(rest, at, left);
        sum += product(rest, keys);
    }
    uint64_t mixed = mix[0] + mix[1] * (uint32_t)len;
    for (int i = 2; i < 6; i++, sum >>= 32)
        mixed += mix[i] * (uint32_t)sum;
    return (uint32_t)(mixed >> 32);
}
