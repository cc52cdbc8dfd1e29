#include "agent/store.h"

#include <string.h>

#include "common/base/owner.h"
#include "common/base/wipe.h"

#define INDEX_SIZE (2 * STORE_ENTRIES_MAX) /* a power of two */
#define CHUNKS_MAX (STORE_BYTES_MAX / STORE_CHUNK)

struct chunk {
    uint32_t next; /* in its text, or in the free list */
    char text[STORE_CHUNK_TEXT];
};
_Static_assert(sizeof(struct chunk) == STORE_CHUNK, "no gaps");
_Static_assert((INDEX_SIZE & (INDEX_SIZE - 1)) == 0, "a mask finds the place");

/* One for the process: it serves one node. What was never used takes no memory. */
static struct store_entry entries[STORE_ENTRIES_MAX + 1]; /* numbers from 1 */
static uint32_t by_key[INDEX_SIZE], by_token[INDEX_SIZE], token_next[STORE_ENTRIES_MAX + 1];
static struct chunk chunks[CHUNKS_MAX + 1];
static size_t entry_max, entry_high, entry_count, chunk_max, chunk_high, chunk_count;
static uint32_t free_entry, free_chunk, oldest, newest;
static uint64_t evicted;

void store_open(size_t count, size_t bytes) {
    entry_max = count < STORE_ENTRIES_MAX ? count : STORE_ENTRIES_MAX;
    chunk_max = bytes / STORE_CHUNK < CHUNKS_MAX ? bytes / STORE_CHUNK : CHUNKS_MAX;
}

void store_close(void) {
    wipe(chunks, (chunk_high + 1) * sizeof chunks[0]);
    wipe(entries, (entry_high + 1) * sizeof entries[0]);
    memset(by_key, 0, sizeof by_key);
    memset(by_token, 0, sizeof by_token);
    entry_high = entry_count = chunk_high = chunk_count = 0;
    free_entry = free_chunk = oldest = newest = 0;
}

/* ---- texts ---- */

static void free_text(struct store_text *text) {
    uint32_t at = text->first;
    while (at != 0) {
        uint32_t next = chunks[at].next;
        wipe(chunks[at].text, sizeof chunks[at].text);
        chunks[at].next = free_chunk;
        free_chunk = at;
        chunk_count--;
        at = next;
    }
    *text = (struct store_text){0};
}

static uint32_t take_chunk(void) {
    uint32_t at = free_chunk;
    if (at != 0)
        free_chunk = chunks[at].next;
    else
        at = (uint32_t)++chunk_high;
    chunk_count++;
    chunks[at].next = 0;
    return at;
}

static size_t chunks_for(size_t len) {
    return (len + STORE_CHUNK_TEXT - 1) / STORE_CHUNK_TEXT;
}

/* The caller has made room. */
static struct store_text make_text(const char *bytes, size_t len) {
    struct store_text text = {.len = (uint32_t)len};
    uint32_t *link = &text.first;
    for (size_t done = 0; done < len;) {
        size_t n = len - done < STORE_CHUNK_TEXT ? len - done : STORE_CHUNK_TEXT;
        uint32_t at = take_chunk();
        memcpy(chunks[at].text, bytes + done, n);
        *link = at;
        link = &chunks[at].next;
        done += n;
    }
    return text;
}

void store_copy(const struct store_text *text, char *out) {
    size_t done = 0;
    for (uint32_t at = text->first; at != 0; at = chunks[at].next) {
        size_t n = text->len - done < STORE_CHUNK_TEXT ? text->len - done : STORE_CHUNK_TEXT;
        memcpy(out + done, chunks[at].text, n);
        done += n;
    }
    out[done] = '\0';
}

bool store_equal(const struct store_text *text, const char *bytes, size_t len) {
    unsigned char differs = text->len != len;
    size_t done = 0;
    for (uint32_t at = text->first; at != 0 && !(text->len != len); at = chunks[at].next) {
        size_t n = len - done < STORE_CHUNK_TEXT ? len - done : STORE_CHUNK_TEXT;
        for (size_t i = 0; i < n; i++)
            differs |= (unsigned char)(chunks[at].text[i] ^ bytes[done + i]);
        done += n;
    }
    return differs == 0;
}

/* The body of an answer, for the server. */
static size_t pieces(const struct answer *a, size_t from, struct iovec *out, size_t max) {
    const struct store_entry *e = OWNER(a, const struct store_entry, answer);
    size_t skip = from / STORE_CHUNK_TEXT, n = 0, at_byte = skip * STORE_CHUNK_TEXT;
    uint32_t at = e->body.first;
    while (skip-- > 0)
        at = chunks[at].next;
    for (; at != 0 && n < max; at = chunks[at].next, n++) {
        size_t begin = from > at_byte ? from - at_byte : 0;
        size_t end = e->body.len - at_byte < STORE_CHUNK_TEXT ? e->body.len - at_byte : STORE_CHUNK_TEXT;
        out[n] = (struct iovec){chunks[at].text + begin, end - begin};
        at_byte += STORE_CHUNK_TEXT;
    }
    return n;
}

/* ---- the index ---- */

static uint32_t number(const struct store_entry *e) {
    return (uint32_t)(e - entries);
}

/* Keys are parts of hashes: any bytes of them do. */
static size_t place(const unsigned char *hash) {
    uint32_t bits;
    memcpy(&bits, hash, sizeof bits);
    return bits & (INDEX_SIZE - 1);
}

static void unlink_key(const struct store_entry *e) {
    uint32_t *link = &by_key[place(e->key.bytes)];
    while (*link != number(e))
        link = &entries[*link].next;
    *link = e->next;
}

static void unlink_token(const struct store_entry *e) {
    uint32_t *link = &by_token[place(e->token_hash)];
    while (*link != 0 && *link != number(e))
        link = &token_next[*link];
    if (*link != 0)
        *link = token_next[number(e)];
}

struct store_entry *store_find(const struct store_key *key) {
    for (uint32_t at = by_key[place(key->bytes)]; at != 0; at = entries[at].next) {
        if (memcmp(entries[at].key.bytes, key->bytes, sizeof key->bytes) == 0)
            return &entries[at];
    }
    return NULL;
}

struct store_entry *store_find_token(const unsigned char token_hash[HASH_SIZE]) {
    for (uint32_t at = by_token[place(token_hash)]; at != 0; at = token_next[at]) {
        if (memcmp(entries[at].token_hash, token_hash, HASH_SIZE) == 0)
            return &entries[at];
    }
    return NULL;
}

/* ---- the order of use ---- */

static void unlink_use(const struct store_entry *e) {
    *(e->older != 0 ? &entries[e->older].newer : &oldest) = e->newer;
    *(e->newer != 0 ? &entries[e->newer].older : &newest) = e->older;
}

static void append_use(struct store_entry *e) {
    e->older = newest;
    e->newer = 0;
    *(newest != 0 ? &entries[newest].newer : &oldest) = number(e);
    newest = number(e);
}

void store_touch(struct store_entry *e) {
    if (newest == number(e))
        return;
    unlink_use(e);
    append_use(e);
}

/* ---- entries ---- */

void store_remove(struct store_entry *e, store_removing *removing) {
    removing(e);
    unlink_key(e);
    unlink_token(e);
    unlink_use(e);
    free_text(&e->token);
    free_text(&e->heads);
    free_text(&e->body);
    memset(e, 0, sizeof *e);
    e->next = free_entry;
    free_entry = number(e);
    entry_count--;
}

/* The longest unused one, of that namespace if there is one, but never `keep`. False if there is none. */
static bool evict(uint32_t space, const struct store_entry *keep, store_removing *removing) {
    uint32_t any = 0;
    for (uint32_t at = oldest; at != 0; at = entries[at].newer) {
        if (&entries[at] == keep)
            continue;
        if (any == 0)
            any = at;
        if (entries[at].space == space) {
            any = at;
            break;
        }
    }
    if (any == 0)
        return false;
    store_remove(&entries[any], removing);
    evicted++;
    return true;
}

struct store_entry *store_put(const struct store_key *key, uint32_t space, store_removing *removing) {
    struct store_entry *e = store_find(key);
    if (e != NULL)
        return e;
    if (entry_max == 0 || (entry_count >= entry_max && !evict(space, NULL, removing)))
        return NULL;
    uint32_t at = free_entry;
    if (at != 0)
        free_entry = entries[at].next;
    else
        at = (uint32_t)++entry_high;
    e = &entries[at];
    *e = (struct store_entry){.key = *key, .space = space, .taken = true};
    e->next = by_key[place(key->bytes)];
    by_key[place(key->bytes)] = at;
    append_use(e);
    entry_count++;
    return e;
}

/* Room for so many chunks, beyond what is there already. */
static bool make_room(size_t wanted, const struct store_entry *keep, store_removing *removing) {
    if (wanted > chunk_max)
        return false;
    while (chunk_count + wanted > chunk_max) {
        if (!evict(keep->space, keep, removing))
            return false;
    }
    return true;
}

bool store_set_token(struct store_entry *e, const char *token, size_t len,
                     const unsigned char hash[HASH_SIZE], store_removing *removing) {
    if (!make_room(chunks_for(len), e, removing))
        return false;
    struct store_text fresh = make_text(token, len);
    if (e->token.first != 0)
        unlink_token(e);
    free_text(&e->token);
    e->token = fresh;
    memcpy(e->token_hash, hash, HASH_SIZE);
    token_next[number(e)] = by_token[place(hash)];
    by_token[place(hash)] = number(e);
    return true;
}

bool store_set_answer(struct store_entry *e, const char *head, const char *body, size_t body_len,
                      store_removing *removing) {
    char text[STORE_CHUNK_TEXT];
    struct buf both = BUF(text);
    buf_fmt(&both, "%s\r\n", head);
    size_t keep_len = both.len;
    buf_fmt(&both, "%sConnection: close\r\n\r\n", head);
    if (both.overflow || !make_room(1 + chunks_for(body_len), e, removing))
        return false;
    struct store_text heads = make_text(text, both.len), fresh = make_text(body, body_len);
    free_text(&e->heads);
    free_text(&e->body);
    e->heads = heads;
    e->body = fresh;
    const char *at = chunks[heads.first].text;
    e->answer = (struct answer){.keep = at,
                                .close = at + keep_len,
                                .keep_len = (uint16_t)keep_len,
                                .close_len = (uint16_t)(both.len - keep_len),
                                .pieces = pieces,
                                .body_len = (uint32_t)body_len,
                                .status = 200};
    return true;
}

size_t store_count(void) {
    return entry_count;
}

uint64_t store_evicted(void) {
    return evicted;
}

size_t store_bytes(void) {
    return chunk_count * STORE_CHUNK;
}

struct store_entry *store_at(size_t i) {
    return i < entry_high && entries[i + 1].taken ? &entries[i + 1] : NULL;
}
