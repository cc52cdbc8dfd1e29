#include "agent/store.h"

#include <string.h>

#include "common/base/far.h"
#include "common/base/owner.h"
#include "common/base/wipe.h"

#define INDEX_SIZE STORE_ENTRIES_MAX /* a power of two */
#define EMPTY_LINE "\r\n"
#define KEPT_MAX (STORE_KEPT_BYTES / STORE_CHUNK)
#define CHUNKS_MAX (STORE_BYTES_MAX / STORE_CHUNK + KEPT_MAX)

_Static_assert((INDEX_SIZE & (INDEX_SIZE - 1)) == 0, "a mask finds the place");

/* One for the process: it serves one node. What was never used takes no memory. */
FAR static struct store_entry entries[STORE_ENTRIES_MAX + 1]; /* numbers from 1 */
FAR static uint32_t by_key[INDEX_SIZE], by_token[INDEX_SIZE];
FAR static uint32_t
    token_next[2 * (STORE_ENTRIES_MAX + 1)]; /* of a token: twice its entry's number, and which */
/* Links lie apart, so that chunks behind one another, which most of a text's are, are one piece. */
FAR static char chunks[CHUNKS_MAX + 1][STORE_CHUNK_TEXT];
FAR static uint32_t next_chunk[CHUNKS_MAX + 1]; /* in its text, or in the free list */
_Static_assert(sizeof chunks[0] + sizeof next_chunk[0] == STORE_CHUNK, "what a chunk costs");
static size_t entry_max, entry_high, entry_count, chunk_max, chunk_high, chunk_count, kept_count;
static uint32_t free_entry, free_chunk, oldest, newest;
static uint64_t evicted;
static store_retiring *retiring;

void store_open(size_t count, size_t bytes, store_retiring *on_retiring) {
    entry_max = count < STORE_ENTRIES_MAX ? count : STORE_ENTRIES_MAX;
    chunk_max = (bytes < STORE_BYTES_MAX ? bytes : STORE_BYTES_MAX) / STORE_CHUNK;
    retiring = on_retiring;
}

void store_close(void) {
    wipe(chunks, (chunk_high + 1) * sizeof chunks[0]);
    memset(next_chunk, 0, (chunk_high + 1) * sizeof next_chunk[0]);
    wipe(entries, (entry_high + 1) * sizeof entries[0]);
    memset(by_key, 0, sizeof by_key);
    memset(by_token, 0, sizeof by_token);
    entry_high = entry_count = chunk_high = chunk_count = kept_count = 0;
    free_entry = free_chunk = oldest = newest = 0;
}

/* ---- texts ---- */

/* In their order, so that the next text is in one piece again. */
static void drop_text(struct store_text *text) {
    uint32_t *link = &text->first;
    for (; *link != 0; link = &next_chunk[*link]) {
        wipe(chunks[*link], sizeof chunks[*link]);
        chunk_count--;
    }
    *link = free_chunk;
    free_chunk = text->first;
    *text = (struct store_text){0};
}

static uint32_t take_chunk(void) {
    uint32_t at = free_chunk;
    if (at != 0)
        free_chunk = next_chunk[at];
    else
        at = (uint32_t)++chunk_high;
    chunk_count++;
    next_chunk[at] = 0;
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
        memcpy(chunks[at], bytes + done, n);
        *link = at;
        link = &next_chunk[at];
        done += n;
    }
    return text;
}

/* The piece of a text that begins with chunk *at, of which `left` bytes are to come: returns how many of them
 * lie behind one another. *at is the chunk behind them then. */
static size_t take_piece(uint32_t *at, size_t left) {
    size_t len = STORE_CHUNK_TEXT;
    uint32_t last = *at;
    for (; next_chunk[last] == last + 1; last++)
        len += STORE_CHUNK_TEXT;
    *at = next_chunk[last];
    return len < left ? len : left;
}

void store_copy(const struct store_text *text, char *out) {
    char *end = out + text->len;
    for (uint32_t at = text->first; at != 0;) {
        const char *from = chunks[at];
        size_t n = take_piece(&at, (size_t)(end - out));
        memcpy(out, from, n);
        out += n;
    }
    *out = '\0';
}

typedef uint64_t block __attribute__((vector_size(16)));

static block differences_at(const char *a, const char *b) {
    block x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x ^ y;
}

/* All of it, wherever it differs: the time says nothing about the text. */
static uint64_t differences(const char *a, const char *b, size_t len) {
    enum { ONE = sizeof(block), FOUR = 4 * ONE };
    block all = {0};
    unsigned char rest = 0;
    for (; len >= FOUR; a += FOUR, b += FOUR, len -= FOUR)
        all |= differences_at(a, b) | differences_at(a + ONE, b + ONE) |
               differences_at(a + 2 * ONE, b + 2 * ONE) | differences_at(a + 3 * ONE, b + 3 * ONE);
    for (; len >= ONE; a += ONE, b += ONE, len -= ONE)
        all |= differences_at(a, b);
    for (; len > 0; a++, b++, len--)
        rest |= (unsigned char)(*a ^ *b);
    return all[0] | all[1] | rest;
}

bool store_equal(const struct store_text *text, const char *bytes, size_t len) {
    uint64_t differs = 0;
    if (text->len != len)
        return false;
    for (uint32_t at = text->first; at != 0;) {
        const char *ours = chunks[at];
        size_t n = take_piece(&at, len);
        differs |= differences(ours, bytes, n);
        bytes += n;
        len -= n;
    }
    return differs == 0;
}

/* Bytes from..to of a text, as pieces. */
static size_t put_pieces(const struct store_text *text, size_t from, size_t to, struct iovec *out,
                         size_t max) {
    size_t n = 0, at_byte = 0;
    for (uint32_t at = text->first; at_byte < to && n < max;) {
        char *piece = chunks[at];
        size_t len = take_piece(&at, to - at_byte), skip = from > at_byte ? from - at_byte : 0;
        if (skip < len)
            out[n++] = (struct iovec){piece + skip, len - skip};
        at_byte += len;
    }
    return n;
}

/* An answer, for the server: as it is, or with the line that says that the connection ends. */
static size_t pieces(const struct answer *a, bool close, bool with_body, size_t from, struct iovec *out,
                     size_t max) {
    const struct store_entry *e = OWNER(a, const struct store_entry, answer);
    static const char closing[] = "Connection: close\r\n";
    size_t added = sizeof closing - 1, n = 0, head_len = e->head_len;
    size_t end = with_body ? e->text.len : head_len + strlen(EMPTY_LINE);
    if (!close)
        return put_pieces(&e->text, from, end, out, max);
    if (from < head_len)
        n = put_pieces(&e->text, from, head_len, out, max);
    from = from < head_len ? 0 : from - head_len; /* behind the head */
    if (from < added && n < max)
        out[n++] = (struct iovec){(void *)(uintptr_t)(closing + from), added - from};
    from = from < added ? 0 : from - added;
    return n + put_pieces(&e->text, head_len + from, end, out + n, max - n);
}

/* ---- the index ---- */

static uint32_t number(const struct store_entry *e) {
    return (uint32_t)(e - entries);
}

static uint32_t *place(uint32_t *table, uint32_t bits) {
    return &table[bits & (INDEX_SIZE - 1)];
}

static uint32_t *place_of_key(const struct keyed_hash *key) {
    return place(by_key, keyed_hash_bits(key));
}

static void unlink_key(const struct store_entry *e) {
    uint32_t *link = place_of_key(&e->key);
    while (*link != number(e))
        link = &entries[*link].next;
    *link = e->next;
}

static bool has_token(const struct store_entry *e, unsigned which) {
    static const struct keyed_hash none;
    return memcmp(&e->tokens[which].hash, &none, sizeof none) != 0;
}

static void unlink_token(const struct store_entry *e, unsigned which) {
    uint32_t node = 2 * number(e) + which;
    if (!has_token(e, which))
        return;
    uint32_t *link = place(by_token, e->tokens[which].place);
    while (*link != node)
        link = &token_next[*link];
    *link = token_next[node];
}

static void link_token(const struct store_entry *e, unsigned which) {
    uint32_t node = 2 * number(e) + which, *link = place(by_token, e->tokens[which].place);
    if (!has_token(e, which))
        return;
    token_next[node] = *link;
    *link = node;
}

struct store_entry *store_find(const struct keyed_hash *key) {
    for (uint32_t at = *place_of_key(key); at != 0; at = entries[at].next) {
        if (keyed_hash_equal(&entries[at].key, key))
            return &entries[at];
    }
    return NULL;
}

/* Of the one before, the text is gone: its SHA-256 stands for it. */
static bool is_token(const struct store_entry *e, unsigned which, const char *token, size_t len) {
    unsigned char sha[HASH_SIZE];
    if (which == 0)
        return store_equal(&e->token, token, len);
    hash_sha256(token, len, sha);
    return secret_equal(sha, sizeof sha, e->sha_before, sizeof e->sha_before);
}

struct store_entry *store_find_token(uint32_t bits, const char *token, size_t len,
                                     const struct store_token **which) {
    for (uint32_t at = *place(by_token, bits); at != 0; at = token_next[at]) {
        struct store_entry *e = &entries[at / 2];
        *which = &e->tokens[at % 2];
        if ((*which)->place == bits && is_token(e, at % 2, token, len))
            return e;
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

void store_remove(struct store_entry *e) {
    retiring(e, true);
    unlink_key(e);
    unlink_token(e, 0);
    unlink_token(e, 1);
    unlink_use(e);
    drop_text(&e->text);
    drop_text(&e->token); /* last, as the next entry's comes first */
    memset(e, 0, sizeof *e);
    e->next = free_entry;
    free_entry = number(e);
    entry_count--;
}

/* The longest unused one, of that namespace if there is one, but never `keep`. False if there is none. */
static bool evict(uint32_t space, const struct store_entry *keep) {
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
    store_remove(&entries[any]);
    evicted++;
    return true;
}

struct store_entry *store_put(const struct keyed_hash *key, uint32_t space) {
    struct store_entry *e = store_find(key);
    if (e != NULL)
        return e;
    if (entry_max == 0 || (entry_count >= entry_max && !evict(space, NULL)))
        return NULL;
    uint32_t at = free_entry;
    if (at != 0)
        free_entry = entries[at].next;
    else
        at = (uint32_t)++entry_high;
    e = &entries[at];
    *e = (struct store_entry){.key = *key, .space = space, .taken = true};
    uint32_t *link = place_of_key(key);
    e->next = *link;
    *link = at;
    append_use(e);
    entry_count++;
    return e;
}

/* Room for so many chunks, beyond what is there already. */
static bool make_room(size_t wanted, uint32_t space, const struct store_entry *keep) {
    if (wanted > chunk_max)
        return false;
    while (chunk_count - kept_count + wanted > chunk_max) {
        if (!evict(space, keep))
            return false;
    }
    return true;
}

/* The last one becomes the one before. */
static void move_token(struct store_entry *e) {
    FAR static char whole[STORE_TOKEN_MAX + 1];
    unlink_token(e, 1);
    e->tokens[1] = e->tokens[0];
    store_copy(&e->token, whole);
    hash_sha256(whole, e->token.len, e->sha_before);
    wipe(whole, e->token.len);
    link_token(e, 1);
}

bool store_set_token(struct store_entry *e, const char *token, size_t len, const struct store_token *taken) {
    if (has_token(e, 0) && keyed_hash_equal(&e->tokens[0].hash, &taken->hash))
        return true;
    if (len > STORE_TOKEN_MAX || !make_room(chunks_for(len), e->space, e))
        return false;
    struct store_text fresh = make_text(token, len);
    unlink_token(e, 0);
    if (has_token(e, 0))
        move_token(e);
    drop_text(&e->token);
    e->token = fresh;
    e->tokens[0] = *taken;
    link_token(e, 0);
    return true;
}

static struct store_text join(const char *head, const char *body, size_t body_len) {
    FAR static char all[STORE_ANSWER_MAX + 1];
    struct buf out = BUF(all);
    buf_str(&out, head);
    buf_str(&out, EMPTY_LINE);
    buf_put(&out, body, body_len);
    struct store_text text = make_text(out.data, out.len);
    buf_wipe(&out);
    return text;
}

bool store_set_answer(struct store_entry *e, const char *head, const char *body, size_t body_len) {
    size_t head_len = strlen(head), len = head_len + strlen(EMPTY_LINE) + body_len;
    if (len > STORE_ANSWER_MAX || !make_room(chunks_for(len), e->space, e))
        return false;
    if (e->text.first != 0)
        retiring(e, false);
    struct store_text fresh = join(head, body, body_len);
    drop_text(&e->text);
    e->text = fresh;
    e->head_len = (uint32_t)head_len;
    e->answer = (struct answer){.pieces = pieces, .body_len = (uint32_t)body_len, .status = 200};
    return true;
}

bool store_keep(struct store_text *out, const char *bytes, size_t len) {
    if (kept_count + chunks_for(len) > KEPT_MAX)
        return false;
    kept_count += chunks_for(len);
    *out = make_text(bytes, len);
    return true;
}

void store_give_back(struct store_text *text) {
    kept_count -= chunks_for(text->len);
    drop_text(text);
}

size_t store_count(void) {
    return entry_count;
}

size_t store_count_max(void) {
    return entry_max;
}

uint64_t store_evicted(void) {
    return evicted;
}

size_t store_bytes(void) {
    return (chunk_count - kept_count) * STORE_CHUNK;
}

size_t store_bytes_max(void) {
    return chunk_max * STORE_CHUNK;
}

struct store_entry *store_at(size_t i) {
    return i < entry_high && entries[i + 1].taken ? &entries[i + 1] : NULL;
}

size_t store_high(void) {
    return entry_high;
}
