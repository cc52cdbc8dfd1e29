#include "agent/association_table.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "agent/association_value.h"
#include "common/base/far.h"
#include "common/base/log.h"
#include "common/base/pages.h"
#include "common/text/hash.h"

/* Places of text are offsets: a table is copied from one storage to the other. 0: not given. */
struct record {
    uint64_t hash;
    uint32_t key, role, target, external_id, policy;
    int32_t duration_s;
    uint8_t source, exchange;
    bool usable, session_tags, twice;
};

struct table {
    size_t count, text_len;
    struct record records[ASSOCIATIONS_MAX]; /* sorted by key, then by source */
    char text[ASSOCIATIONS_TEXT_MAX];
};

/* What counts, and what is being read. Only what is filled takes memory. */
FAR static struct table tables[2];
static struct table *now = &tables[0], *next = &tables[1];
static const struct associations_rules *rules;
static const char *const *names;
static uint8_t source;
static size_t source_bytes;
static bool full; /* told once for each reading */

void table_open(const struct associations_rules *given, const char *const *source_names) {
    rules = given;
    names = source_names;
    now->count = next->count = 0;
    now->text_len = next->text_len = 1;
}

/* ---- reading ---- */

/* 0 if there is no room: text[0] is nobody's. */
static uint32_t keep(const char *text, size_t len) {
    if (len == 0 || sizeof next->text - next->text_len <= len)
        return 0;
    size_t at = next->text_len;
    memcpy(next->text + at, text, len);
    next->text[at + len] = '\0';
    next->text_len += len + 1;
    return (uint32_t)at;
}

static bool keep_all(struct record *r, const char *key, size_t key_len, const struct association_text *a) {
    size_t before = next->text_len;
    const struct {
        uint32_t *place;
        const char *text;
        size_t len;
    } parts[] = {{&r->key, key, key_len},
                 {&r->role, a->role_arn, strlen(a->role_arn)},
                 {&r->target, a->target_role_arn, strlen(a->target_role_arn)},
                 {&r->external_id, a->external_id, strlen(a->external_id)},
                 {&r->policy, a->policy, strlen(a->policy)}};
    bool kept = next->count < ASSOCIATIONS_MAX;
    for (size_t i = 0; kept && i < sizeof parts / sizeof parts[0]; i++) {
        *parts[i].place = keep(parts[i].text, parts[i].len);
        kept = *parts[i].place != 0 || parts[i].len == 0;
    }
    if (!kept)
        next->text_len = before;
    else
        next->records[next->count++] = *r;
    return kept;
}

/* Never 0, which stands for no association. */
static uint64_t hash_of(const char *text, size_t len) {
    unsigned char digest[HASH_SIZE];
    uint64_t hash;
    hash_sha256(text, len, digest);
    memcpy(&hash, digest, sizeof hash);
    return hash != 0 ? hash : 1;
}

/* Each part with its NUL, so that none runs into the next. */
static uint64_t hash_association(const char *key, size_t key_len, const struct association_text *a) {
    static char all[ASSOCIATIONS_KEY_MAX + sizeof *a + 64];
    struct buf b = BUF(all);
    const char *const parts[] = {a->role_arn, a->target_role_arn, a->external_id, a->policy};
    buf_put(&b, key, key_len);
    buf_char(&b, '\0');
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        buf_put(&b, parts[i], strlen(parts[i]) + 1);
    buf_fmt(&b, "%lld,%d,%d", (long long)a->duration_s, (int)a->session_tags, (int)a->exchange);
    return hash_of(all, b.len);
}

static int by_key(const void *a, const void *b) {
    const struct record *x = a, *y = b;
    const char *text = next->text;
    int order = strcmp(text + x->key, text + y->key);
    return order != 0 ? order : (int)x->source - (int)y->source;
}

/* The first of the records with that key or a later one. */
static size_t lower_bound(const struct table *t, const char *key) {
    size_t from = 0, to = t->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (strcmp(t->text + t->records[middle].key, key) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* What that source had under the key before, or NULL. */
static const struct record *before(const char *key, uint8_t of) {
    for (size_t i = lower_bound(now, key); i < now->count; i++) {
        if (strcmp(now->text + now->records[i].key, key) != 0)
            break;
        if (now->records[i].source == of)
            return &now->records[i];
    }
    return NULL;
}

static void tell(const char *key, const struct association_problem *problem, bool known) {
    LOG(known ? LOG_DEBUG : LOG_ERROR, "an association cannot be used", LOG_TEXT("key", key),
        LOG_TEXT("source", names[source]), LOG_NUMBER("line", problem->line),
        LOG_TEXT("field", problem->field), LOG_TEXT("problem", problem->text));
}

static void no_room(const char *text, size_t len) {
    char key[NAME_MAX + 1];
    struct buf b = BUF(key);
    buf_printable(&b, text, len, sizeof key - 4);
    if (!full)
        LOG(LOG_ERROR, "there are more associations than can be kept: this one and others are not used",
            LOG_TEXT("key", key), LOG_TEXT("source", names[source]), LOG_NUMBER("limit", ASSOCIATIONS_MAX),
            LOG_NUMBER("limit_bytes", ASSOCIATIONS_TEXT_MAX));
    full = true;
}

/* Keeps the key with nothing that can be used, so that pods can be told, and the log need not be told twice.
 */
static void put_unusable(const char *key, size_t key_len, const char *value, size_t value_len,
                         const struct association_problem *problem) {
    static const struct association_text nothing;
    char text[NAME_MAX + 1];
    struct buf name = BUF(text);
    buf_printable(&name, key, key_len, sizeof text - 4);
    struct record r = {.source = source, .usable = false};
    r.hash = hash_of(value, value_len < ASSOCIATIONS_VALUE_MAX ? value_len : ASSOCIATIONS_VALUE_MAX) ^
             hash_of(problem->text, strlen(problem->text));
    const struct record *had = before(text, source);
    tell(text, problem, had != NULL && !had->usable && had->hash == r.hash);
    if (!keep_all(&r, name.data, name.len, &nothing))
        no_room(text, name.len);
}

void table_begin(size_t of) {
    next->count = 0;
    next->text_len = 1;
    source = (uint8_t)of;
    source_bytes = 0;
    full = false;
    for (size_t i = 0; i < now->count; i++) {
        const struct record *old = &now->records[i];
        if (old->source == source)
            continue;
        struct record *r = &next->records[next->count++];
        uint32_t *const places[] = {&r->key, &r->role, &r->target, &r->external_id, &r->policy};
        *r = *old;
        for (size_t p = 0; p < sizeof places / sizeof places[0]; p++)
            *places[p] = *places[p] != 0 ? keep(now->text + *places[p], strlen(now->text + *places[p])) : 0;
    }
}

void table_put_unreadable(const char *key, size_t key_len, const char *why) {
    struct association_problem problem = {.line = 0, .field = "the value"};
    struct buf b = BUF(problem.text);
    buf_str(&b, why);
    put_unusable(key, key_len, "", 0, &problem);
}

/* The rules for the key and for the whole source. */
static bool acceptable(const char *key, size_t key_len, size_t value_len,
                       struct association_problem *problem) {
    struct buf b = BUF(problem->text);
    problem->field = "the key";
    if (!association_key_check(key, key_len, &b))
        return false;
    source_bytes += key_len + value_len;
    if (source_bytes <= ASSOCIATIONS_SOURCE_MAX)
        return true;
    problem->field = "the source";
    buf_fmt(&b,
            "has more than %d bytes of keys and values, which is what a ConfigMap can hold: this key is one "
            "too many",
            ASSOCIATIONS_SOURCE_MAX);
    return false;
}

void table_put(const char *key, size_t key_len, const char *value, size_t value_len) {
    static struct association_text a; /* 8 KiB that the stack need not have */
    struct association_problem problem = {.line = 0};
    if (!acceptable(key, key_len, value_len, &problem) ||
        !association_parse(value, value_len, rules, &a, &problem)) {
        put_unusable(key, key_len, value, value_len, &problem);
        return;
    }
    struct record r = {.hash = hash_association(key, key_len, &a),
                       .duration_s = (int32_t)a.duration_s,
                       .source = source,
                       .exchange = (uint8_t)a.exchange,
                       .usable = true,
                       .session_tags = a.session_tags};
    if (!keep_all(&r, key, key_len, &a))
        no_room(key, key_len);
}

/* ---- the change ---- */

static bool same_key(const struct table *t, size_t i, size_t k) {
    return strcmp(t->text + t->records[i].key, t->text + t->records[k].key) == 0;
}

/* A key that an earlier source has, too, is not used; said when it is new. */
static void find_twice(void) {
    for (size_t i = 0; i < next->count; i++) {
        struct record *r = &next->records[i];
        const char *key = next->text + r->key;
        r->twice = i > 0 && same_key(next, i - 1, i);
        const struct record *had = before(key, r->source);
        if (r->twice && (had == NULL || !had->twice))
            LOG(LOG_ERROR, "an association is in two sources: the first one counts", LOG_TEXT("key", key),
                LOG_TEXT("first", names[next->records[i - 1].source]),
                LOG_TEXT("not_used", names[r->source]));
    }
}

static bool differ(void) {
    if (now->count != next->count)
        return true;
    for (size_t i = 0; i < now->count; i++) {
        const struct record *a = &now->records[i], *b = &next->records[i];
        if (a->hash != b->hash || a->usable != b->usable || a->source != b->source ||
            strcmp(now->text + a->key, next->text + b->key) != 0)
            return true;
    }
    return false;
}

/* What has been replaced need not stay in memory. */
static void give_back(struct table *t) {
    pages_give_back(t, t + 1);
    t->count = 0;
    t->text_len = 1;
}

bool table_end(void) {
    qsort(next->records, next->count, sizeof next->records[0], by_key);
    find_twice();
    bool changed = differ();
    struct table *old = changed ? now : next;
    if (changed) {
        now = next;
        next = old;
    }
    give_back(old);
    return changed;
}

/* ---- asking ---- */

static const char *text_at(uint32_t place) {
    return place != 0 ? now->text + place : NULL;
}

bool table_find(const char *key, struct association *out, bool *usable) {
    size_t i = lower_bound(now, key);
    if (i == now->count || strcmp(now->text + now->records[i].key, key) != 0)
        return false;
    const struct record *r = &now->records[i];
    *usable = r->usable;
    *out = (struct association){.role_arn = text_at(r->role),
                                .target_role_arn = text_at(r->target),
                                .external_id = text_at(r->external_id),
                                .policy = text_at(r->policy),
                                .duration_s = r->duration_s,
                                .session_tags = r->session_tags,
                                .exchange = (enum exchange_kind)r->exchange,
                                .hash = r->usable ? r->hash : 0};
    return true;
}

void table_count(size_t *usable, size_t *unusable) {
    *usable = *unusable = 0;
    for (size_t i = 0; i < now->count; i++) {
        *usable += now->records[i].usable && !now->records[i].twice;
        *unusable += !now->records[i].usable;
    }
}
