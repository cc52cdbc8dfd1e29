/* What the agent keeps of each pod: its token, its rendered answer, when to renew it. A table of fixed size,
 * and texts in chunks of one arena, so that nothing fragments, nothing moves, and no pod makes the process
 * grow beyond its budget.
 *
 * An entry is here only after a success. Nothing here asks, waits or judges. */
#ifndef POD_IDENTITY_AGENT_STORE_H
#define POD_IDENTITY_AGENT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/serve/answer.h"
#include "common/source/refresh.h"
#include "common/text/hash.h"

#define STORE_ENTRIES_MAX 8192             /* that --max-cache-size can ask for */
#define STORE_BYTES_MAX (64 * 1024 * 1024) /* that --max-cache-bytes can ask for */
#define STORE_CHUNK 256
#define STORE_CHUNK_TEXT (STORE_CHUNK - 4)
#define STORE_KEY_SIZE 16

/* Of a pod, or of a token without pod claims; the first bytes of a SHA-256. */
struct store_key {
    unsigned char bytes[STORE_KEY_SIZE];
};

/* A text in chunks. */
struct store_text {
    uint32_t first; /* number of a chunk, from 1; 0: none */
    uint32_t len;
};

struct store_entry {
    struct store_key key;
    unsigned char token_hash[HASH_SIZE]; /* of the token that was taken last */
    struct store_text token;
    struct store_text body;
    struct store_text heads; /* both forms, in one chunk */
    struct answer answer;    /* over heads and body */
    struct refresh refresh;
    int64_t asked_mono_ms; /* by the pod, last */
    uint32_t association;  /* hash of what it was fetched by; 0: EKS Auth knows */
    uint32_t space;        /* hash of the namespace */
    uint32_t older, newer; /* in the order of use; numbers of entries from 1 */
    uint32_t next;         /* with the same place in the index, or free */
    uint32_t heap;         /* place in the caller's heap of deadlines, from 1 */
    uint16_t tokens;       /* of the caller's limiter for this pod */
    bool asked;            /* since the last success */
    bool taken, flying;    /* in use; the caller's: a renewal is under way */
    int64_t tokens_mono_ms;
};
_Static_assert(sizeof(struct store_entry) <= 320, "what a pod costs beside its token and its answer");

/* How many entries and bytes of texts there may be; at most the maxima above. Once. */
void store_open(size_t entries, size_t bytes);
/* Wipes everything. */
void store_close(void);

/* The entry of that key, or NULL. Does not count as use. */
struct store_entry *store_find(const struct store_key *key);
/* The entry whose last token has that hash, or NULL. */
struct store_entry *store_find_token(const unsigned char token_hash[HASH_SIZE]);

/* Called for an entry before it is removed: it must not be used any longer. */
typedef void store_removing(struct store_entry *entry);

/* The entry of that key: the one that is there, or a new one (zero but for key and space). If all are taken
 * the longest unused one goes: of the same namespace if there is one, so that a namespace that makes many
 * pods pays for itself. NULL only if the store has no entries at all. */
struct store_entry *store_put(const struct store_key *key, uint32_t space, store_removing *removing);
void store_remove(struct store_entry *entry, store_removing *removing);
/* It was used just now. */
void store_touch(struct store_entry *entry);

/* Replaces token, or answer, of an entry. Others give way as above if the budget is used up, but never
 * `entry` itself. False if it does not fit even so, or the body is larger than any answer; the old text stays
 * then. head: status line and headers with the Content-Length of body, without the empty line. */
bool store_set_token(struct store_entry *entry, const char *token, size_t len,
                     const unsigned char hash[HASH_SIZE], store_removing *removing);
bool store_set_answer(struct store_entry *entry, const char *head, const char *body, size_t body_len,
                      store_removing *removing);

/* Copies a text out; out takes text->len bytes and a NUL. */
void store_copy(const struct store_text *text, char *out);
/* Whether it is that text, in a time that does not tell where they differ. */
bool store_equal(const struct store_text *text, const char *bytes, size_t len);

size_t store_count(void);
uint64_t store_evicted(void); /* for want of places or bytes, since the start */
size_t store_bytes(void);     /* of chunks in use */
/* Entry i of the table, for whoever looks at all; NULL if it is free. */
struct store_entry *store_at(size_t i);

#endif
