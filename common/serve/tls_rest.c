#include "common/serve/tls_rest.h"

#include "common/base/pages.h"
#include "common/base/wipe.h"

static const struct tls_room *rooms;
static size_t used; /* rooms behind these have nothing to give; they may never have been touched */
static struct loop_timer timer;

void tls_rest_soon(const struct tls_link *l) {
    size_t i = (size_t)((const struct tls_room *)(const void *)l - rooms);
    if (i >= used)
        used = i + 1;
    if (timer.deadline_ms == CLOCK_NEVER)
        timer.deadline_ms = loop_now().mono_ms + TLS_REST_MS;
}

static bool rests(const struct tls_link *l) {
    const struct connection *c = l->connection;
    return l->done && c->phase == PHASE_IDLE && tls_link_is_empty(l) &&
           c->deadline_ms - CONNECTIONS_IDLE_MS + TLS_REST_MS <= loop_now().mono_ms;
}

/* Whole pages; the rest of what the client has said is wiped. Its certificate has been judged. */
static void give_back(struct tls_link *l) {
    wipe(l->in, l->in_used);
    l->in_used = 0;
    if (l->judges)
        tls_client_wipe(&l->client);
    l->judges = false;
    pages_give_back(l->out, (struct tls_room *)(void *)l + 1);
}

static void on_timer(struct loop_timer *t) {
    const size_t count = used;
    (void)t;
    used = 0;
    for (size_t i = 0; i < count; i++) {
        struct tls_link *l = (struct tls_link *)(void *)(uintptr_t)rooms[i].bytes;
        if (!l->taken || l->in_used == 0)
            continue;
        if (rests(l))
            give_back(l);
        else if (l->done)
            tls_rest_soon(l);
    }
}

void tls_rest_open(const struct tls_room *given) {
    rooms = given;
    timer = (struct loop_timer){.deadline_ms = CLOCK_NEVER, .expired = on_timer};
    loop_add_timer(&timer);
}
