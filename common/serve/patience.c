#include "common/serve/patience.h"

#include <sys/socket.h>

bool patience_unread(const struct connection *c) {
    char byte;
    return recv(c->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* For a room for its body, which it does not have yet. */
static bool waits_for_room(const struct connection *c) {
    return c->partial != NULL && c->partial->bodies != NULL && c->partial->request.body.bytes == NULL;
}

static bool told_of_late(const struct connection *c) {
    return c->link != NULL && c->link->told_ms + PATIENCE_TOLD_MS > loop_now().mono_ms;
}

/* The oldest of that phase. Who does not take its answer may have sent on what it likes. Those that drain end
 * by themselves, as soon. */
static struct connection *stalled(const struct connection_group *group, enum connection_phase phase,
                                  int64_t limit_ms) {
    bool asks = phase != PHASE_WRITING;
    struct connection *c = group->lists[phase].head;
    for (; c != NULL && c->deadline_ms - limit_ms + PATIENCE_MS <= loop_now().mono_ms; c = c->after) {
        if (!told_of_late(c) && (!asks || (!waits_for_room(c) && !patience_unread(c))))
            return c;
    }
    return NULL;
}

struct connection *patience_spare(const struct connection_group *group) {
    static const struct {
        enum connection_phase phase;
        int64_t limit_ms;
    } order[] = {
        {PHASE_WRITING, CONNECTIONS_WRITE_MS},
        {PHASE_READING, CONNECTIONS_REQUEST_MS},
        {PHASE_NEW, CONNECTIONS_REQUEST_MS},
        {PHASE_IDLE, CONNECTIONS_IDLE_MS},
    };
    static int64_t look_ms; /* each look asks the kernel about many */
    struct connection *c = NULL;
    if (loop_now().mono_ms < look_ms)
        return NULL;
    for (size_t i = 0; c == NULL && i < sizeof order / sizeof order[0]; i++)
        c = stalled(group, order[i].phase, order[i].limit_ms);
    if (c == NULL)
        look_ms = loop_now().mono_ms + CONNECTIONS_TURN_MS;
    return c;
}
