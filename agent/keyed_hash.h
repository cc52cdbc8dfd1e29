/* A fast hash under a secret key of this process (SipHash-2-4 with 128 bits; Aumasson, Bernstein 2012).
 * Whoever does not know the key can neither make two texts with one hash nor fill one place of a table. */
#ifndef POD_IDENTITY_AGENT_KEYED_HASH_H
#define POD_IDENTITY_AGENT_KEYED_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYED_HASH_SIZE 16

struct keyed_hash {
    unsigned char bytes[KEYED_HASH_SIZE];
};

/* Makes the key. False if there are no random bytes. */
bool keyed_hash_open(void);
/* kind tells texts of one sort from those of another: 'p' a pod, 't' a token. */
struct keyed_hash keyed_hash(char kind, const void *data, size_t len);
bool keyed_hash_equal(const struct keyed_hash *a, const struct keyed_hash *b);
/* Any 32 of its bits. */
uint32_t keyed_hash_bits(const struct keyed_hash *hash);

/* For the tests: with that key, and without a kind. */
struct keyed_hash keyed_hash_with(const uint64_t key[2], const void *data, size_t len);

#endif
