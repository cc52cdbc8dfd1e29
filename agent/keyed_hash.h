/* Fast hashes under secret keys of this process: one by which a text is known (SipHash-2-4 with 128 bits;
 * Aumasson, Bernstein 2012), and a faster one that only finds its place in a table. Whoever does not know the
 * keys can neither make two texts with one hash nor fill one place. */
#ifndef POD_IDENTITY_AGENT_KEYED_HASH_H
#define POD_IDENTITY_AGENT_KEYED_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYED_HASH_SIZE 16

struct keyed_hash {
    unsigned char bytes[KEYED_HASH_SIZE];
};

/* Makes the keys. False if there are no random bytes. */
bool keyed_hash_open(void);
/* kind tells texts of one sort from those of another: 'p' a pod, 't' a token. */
struct keyed_hash keyed_hash(char kind, const void *data, size_t len);
bool keyed_hash_equal(const struct keyed_hash *a, const struct keyed_hash *b);
/* Any 32 of its bits. */
uint32_t keyed_hash_bits(const struct keyed_hash *hash);

/* Where to look for a text: of its length and its last KEYED_HASH_PLACED bytes, where a token has its
 * signature, or the end of it. Two that differ there have one place with a probability of about 1 in 2^32,
 * whatever they are (NH of UMAC, RFC 4418, in words of 64 bits, and a multilinear hash of that; Lemire, Kaser
 * 2014). It identifies nothing: whoever finds something compares the text. */
#define KEYED_HASH_PLACED 128
uint32_t keyed_hash_place(const void *data, size_t len);

/* For the tests: with that key, and without a kind. */
struct keyed_hash keyed_hash_with(const uint64_t key[2], const void *data, size_t len);

#endif
