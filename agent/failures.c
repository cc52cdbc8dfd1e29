#include "agent/failures.h"

#include <string.h>

#include "common/base/far.h"

/* In sets by the client's address: one that has many of them pushes out its own, and those of few others. */
#define SETS 32
#define WAYS 8

FAR static struct failed {
    struct keyed_hash token;
    struct client_address client;
    int64_t until_mono_ms, forget_mono_ms; /* 0: free */
    int64_t delay_ms;
    struct exchange_error error;
} failures[SETS][WAYS];

static struct failed *set_of(const struct client_address *client) {
    struct keyed_hash hash = keyed_hash('f', client->bytes, sizeof client->bytes);
    return failures[keyed_hash_bits(&hash) % SETS];
}

static struct failed *find(const struct keyed_hash *token, const struct client_address *client) {
    struct failed *set = set_of(client);
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].forget_mono_ms != 0 && keyed_hash_equal(&set[i].token, token) &&
            memcmp(&set[i].client, client, sizeof *client) == 0)
            return &set[i];
    }
    return NULL;
}

const struct exchange_error *failures_find(const struct keyed_hash *token,
                                           const struct client_address *client, int64_t mono_ms) {
    const struct failed *f = find(token, client);
    return f != NULL && mono_ms < f->until_mono_ms ? &f->error : NULL;
}

/* What is not used of a text is not touched. */
static void copy_error(const struct exchange_error *from, struct exchange_error *to) {
    memcpy(to, from, offsetof(struct exchange_error, text));
    memcpy(to->text, from->text, strlen(from->text) + 1);
}

void failures_add(const struct keyed_hash *token, const struct client_address *client,
                  const struct exchange_error *error, int64_t mono_ms) {
    struct failed *f = find(token, client), *set = set_of(client);
    int64_t delay_ms = FAILURES_FIRST_MS;
    if (f != NULL && mono_ms < f->forget_mono_ms)
        delay_ms = 2 * f->delay_ms < FAILURES_MAX_MS ? 2 * f->delay_ms : FAILURES_MAX_MS;
    for (size_t i = 0; f == NULL && i < WAYS; i++)
        f = set[i].forget_mono_ms <= mono_ms ? &set[i] : NULL;
    if (f == NULL) {
        f = &set[0];
        for (size_t i = 1; i < WAYS; i++)
            f = set[i].until_mono_ms < f->until_mono_ms ? &set[i] : f;
    }
    f->token = *token;
    f->client = *client;
    f->delay_ms = delay_ms;
    f->until_mono_ms = mono_ms + delay_ms;
    f->forget_mono_ms = f->until_mono_ms + FAILURES_MAX_MS;
    copy_error(error, &f->error);
}

void failures_forget(const struct keyed_hash *token, const struct client_address *client) {
    struct failed *f = find(token, client);
    if (f != NULL)
        f->until_mono_ms = f->forget_mono_ms = 0;
}

void failures_forget_all(void) {
    for (size_t i = 0; i < SETS * WAYS; i++) {
        struct failed *f = &failures[i / WAYS][i % WAYS];
        if (f->forget_mono_ms != 0)
            f->until_mono_ms = f->forget_mono_ms = 0;
    }
}

size_t failures_count(int64_t mono_ms) {
    size_t count = 0;
    for (size_t i = 0; i < SETS * WAYS; i++)
        count += mono_ms < failures[i / WAYS][i % WAYS].until_mono_ms;
    return count;
}
