#include "common/serve/tls_turns.h"

#include <sys/epoll.h>

static struct tls_link *first;
static struct loop_timer timer;

void tls_turns_append(struct tls_link *l) {
    struct tls_link **at = &first;
    if (l->waits)
        return;
    while (*at != NULL)
        at = &(*at)->next;
    *at = l;
    l->next = NULL;
    l->waits = true;
    timer.deadline_ms = loop_now().mono_ms;
}

void tls_turns_take_out(struct tls_link *l) {
    struct tls_link **at = &first;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    l->waits = false;
}

/* One turn for each, as if an event had come. Who takes no bytes now, since an answer is under way, comes
 * again behind that. */
static void on_timer(struct loop_timer *t) {
    size_t count = 0;
    (void)t;
    for (const struct tls_link *l = first; l != NULL; l = l->next)
        count++;
    for (; count > 0 && first != NULL; count--) {
        struct tls_link *l = first;
        struct connection *c = l->connection;
        tls_turns_take_out(l);
        if (c->since_round == loop_round())
            tls_turns_append(l);
        else if (c->phase == PHASE_IDLE || c->phase == PHASE_READING)
            c->watch.ready(&c->watch, EPOLLIN);
    }
    if (first != NULL)
        timer.deadline_ms = loop_now().mono_ms;
}

void tls_turns_open(void) {
    timer = (struct loop_timer){.deadline_ms = CLOCK_NEVER, .expired = on_timer};
    loop_add_timer(&timer);
}
