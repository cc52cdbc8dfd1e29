/* What the agent keeps of each pod: its token, its rendered answer, when to renew it. A table of fixed size,
 * and texts in chunks of one arena, so that nothing fragments, nothing moves, and no pod makes the process
 * grow beyond its budget.
 *
 * An entry is here only after a success, and the tokens that lead to it are trusted: they were taken, each of
 * them, byte for byte. Nothing here asks, waits or judges. */
#ifndef POD_IDENTITY_AGENT_STORE_H
#define POD_IDENTITY_AGENT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/client.h"
#include "agent/keyed_hash.h"
#include "common/base/buf.h"
#include "common/serve/answer.h"
#include "common/source/refresh.h"
#include "common/text/hash.h"

#define STORE_ENTRIES_MAX 8192             /* that --max-cache-size can ask for */
#define STORE_BYTES_MAX (64 * 1024 * 1024) /* that --max-cache-bytes can ask for */
#define STORE_KEPT_BYTES (1024 * 1024)     /* of texts outside of the entries */
#define STORE_ANSWER_MAX 12288             /* head and body: CREDENTIALS_RENDERED_MAX */
#define STORE_TOKEN_MAX 65536              /* TOKEN_FILE_MAX */
#define STORE_CHUNK_TEXT 128
#define STORE_CHUNK (STORE_CHUNK_TEXT + 4) /* with its link */

/* A text in chunks. */
struct store_text {
    uint32_t first; /* number of a chunk, from 1; 0: none */
    uint32_t len;
};

/* A token that leads to an entry. Two do: while the kubelet replaces a token, containers of one pod have
 * both. */
struct store_token {
    struct keyed_hash hash;
    int64_t expires_s; /* 0: it does not say */
    uint32_t place;    /* keyed_hash_place() of it */
};

struct store_entry {
    struct keyed_hash key;               /* of a pod's UID, or of a token without pod claims */
    struct store_token tokens[2];        /* the one that was taken last, and the one before */
    unsigned char sha_before[HASH_SIZE]; /* of the one before, whose text is gone; tokens[1].hash is zero if
                                            there is none */
    struct store_text token;             /* the last one, whole */
    struct store_text text;              /* of the answer: head, empty line and body */
    uint32_t head_len;                   /* without the empty line */
    struct answer answer;                /* over it */
    struct refresh refresh;
    uint64_t association;        /* hash of what it was fetched by; 0: EKS Auth knows */
    unsigned generation;         /* of the associations when that was looked at */
    uint32_t space;              /* hash of the namespace */
    uint32_t older, newer;       /* in the order of use; numbers of entries from 1 */
    uint32_t next;               /* with the same place in the index, or free */
    uint32_t heap;               /* the caller's: place in its heap of deadlines, from 1; 0: none */
    struct client_bucket bucket; /* the caller's: what this pod may still ask */
    bool asked;                  /* by the pod, since the last success */
    bool taken;                  /* in use */
};
_Static_assert(sizeof(struct store_entry) <= 384, "what a pod costs beside its token and its answer");

/* Called for an entry before it is removed, or its answer replaced: nobody may go on writing that answer. */
typedef void store_retiring(struct store_entry *entry, bool removed);

/* How many entries and bytes of texts there may be; at most the maxima above. Once. */
void store_open(size_t entries, size_t bytes, store_retiring *retiring);
/* Wipes everything. */
void store_close(void);

/* The entry of that key, or NULL. Does not count as use. */
struct store_entry *store_find(const struct keyed_hash *key);
/* The entry that this very token leads to (all of its text is compared), or NULL; *which of its tokens.
 * place: keyed_hash_place() of it. */
struct store_entry *store_find_token(uint32_t place, const char *token, size_t len,
                                     const struct store_token **which);

/* The entry of that key: the one that is there, or a new one (zero but for key and space). If all are taken
 * the longest unused one goes: of the same namespace if there is one, so that a namespace that makes many
 * pods pays for itself. NULL only if the store has no entries at all. */
struct store_entry *store_put(const struct keyed_hash *key, uint32_t space);
void store_remove(struct store_entry *entry);
/* It was used just now. */
void store_touch(struct store_entry *entry);

/* A token of that entry was taken: it leads there from now on, and the one before does, too. Others give way
 * as above if the budget is used up, but never `entry` itself. False if it does not fit even so; all is as
 * before then. */
bool store_set_token(struct store_entry *entry, const char *token, size_t len,
                     const struct store_token *taken);
/* Likewise for the answer. head: status line and headers with the Content-Length of body, without the empty
 * line. */
bool store_set_answer(struct store_entry *entry, const char *head, const char *body, size_t body_len);

/* A text outside of the entries, whose budget is its own: what nobody has judged yet takes nothing from them.
 * False if there is no room. */
bool store_keep(struct store_text *out, const char *bytes, size_t len);
void store_give_back(struct store_text *text);
/* Copies a text out; out takes text->len bytes and a NUL. */
void store_copy(const struct store_text *text, char *out);
/* Whether it is that text, in a time that does not tell where they differ. */
bool store_equal(const struct store_text *text, const char *bytes, size_t len);

size_t store_count(void);
size_t store_count_max(void);
uint64_t store_evicted(void); /* for want of places or bytes, since the start */
size_t store_bytes(void);     /* of chunks in use */
size_t store_bytes_max(void);
/* Entry i of the table, for whoever looks at all, i below store_high(); NULL if it is free. */
struct store_entry *store_at(size_t i);
size_t store_high(void);

#endif
