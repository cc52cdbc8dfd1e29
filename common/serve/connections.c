#include "common/serve/connections.h"

#include <unistd.h>

#include "common/base/wipe.h"

/* Each phase has one time limit, so each list is in the order of its deadlines, and its head is the next to
 * end. */
static const int64_t limit_ms[PHASES] = {
    [PHASE_IDLE] = CONNECTIONS_IDLE_MS,
    [PHASE_READING] = CONNECTIONS_REQUEST_MS,
    [PHASE_WRITING] = CONNECTIONS_WRITE_MS,
    [PHASE_DRAINING] = CONNECTIONS_DRAIN_MS,
};

/* Of the server, which is one for the process. Places that were never used were never touched, and take no
 * memory. */
static struct connection *places, *free_list;
static size_t place_count, used_count, open_count;
static struct partial *partials;
static size_t partial_count;
static struct list { struct connection *head, *tail; } lists[PHASES];

void connections_open(struct connection *given, size_t count, struct partial *given_partials,
                      size_t partials_given) {
    places = given;
    place_count = count;
    partials = given_partials;
    partial_count = partials_given;
}

size_t connections_count(void) {
    return open_count;
}

/* ---- lists ---- */

static void unlink_connection(struct connection *c) {
    if (c->before != NULL)
        c->before->after = c->after;
    else
        lists[c->phase].head = c->after;
    if (c->after != NULL)
        c->after->before = c->before;
    else
        lists[c->phase].tail = c->before;
}

static void append(struct connection *c, enum connection_phase phase) {
    c->phase = phase;
    c->deadline_ms = loop_now().mono_ms + limit_ms[phase];
    c->before = lists[phase].tail;
    c->after = NULL;
    if (c->before != NULL)
        c->before->after = c;
    else
        lists[phase].head = c;
    lists[phase].tail = c;
}

void connections_enter(struct connection *c, enum connection_phase phase) {
    if (c->phase == phase && phase != PHASE_IDLE)
        return;
    unlink_connection(c);
    append(c, phase);
}

/* ---- places ---- */

static struct connection *take_place(void) {
    if (free_list == NULL && used_count < place_count)
        return &places[used_count++];
    if (free_list == NULL && !connections_make_room())
        return NULL;
    struct connection *c = free_list;
    free_list = c->after;
    return c;
}

struct connection *connections_add(const struct loop_watch *watch, const struct server_listener *listener) {
    struct connection *c = take_place();
    if (c == NULL)
        return NULL;
    *c = (struct connection){.watch = *watch, .listener = listener};
    append(c, PHASE_IDLE);
    open_count++;
    return c;
}

void connections_close(struct connection *c) {
    unlink_connection(c);
    connections_drop_partial(c);
    close(c->watch.fd);
    c->watch.fd = -1;
    open_count--;
    c->after = free_list;
    free_list = c;
}

bool connections_make_room(void) {
    static const enum connection_phase order[] = {PHASE_IDLE, PHASE_DRAINING, PHASE_READING, PHASE_WRITING};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (lists[order[i]].head != NULL) {
            connections_close(lists[order[i]].head);
            return true;
        }
    }
    return false;
}

/* ---- partial requests ---- */

void connections_drop_partial(struct connection *c) {
    if (c->partial == NULL)
        return;
    wipe(c->partial, sizeof *c->partial);
    c->partial = NULL;
}

static struct connection *oldest_holder(const struct connection *but) {
    static const enum connection_phase order[] = {PHASE_WRITING, PHASE_READING};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        for (struct connection *c = lists[order[i]].head; c != NULL; c = c->after) {
            if (c->partial != NULL && c != but)
                return c;
        }
    }
    return NULL;
}

bool connections_take_partial(struct connection *c) {
    if (c->partial != NULL)
        return true;
    for (int attempt = 0; attempt < 2; attempt++) {
        for (size_t i = 0; i < partial_count; i++) {
            if (!partials[i].taken) {
                partials[i].taken = true;
                c->partial = &partials[i];
                return true;
            }
        }
        struct connection *oldest = oldest_holder(c);
        if (oldest == NULL)
            return false;
        connections_close(oldest);
    }
    return false;
}

/* ---- deadlines ---- */

int64_t connections_deadline(void) {
    int64_t nearest = CLOCK_NEVER;
    for (int i = 0; i < PHASES; i++) {
        if (lists[i].head != NULL && lists[i].head->deadline_ms < nearest)
            nearest = lists[i].head->deadline_ms;
    }
    return nearest;
}

void connections_expire(int64_t now_ms) {
    for (int i = 0; i < PHASES; i++) {
        while (lists[i].head != NULL && lists[i].head->deadline_ms <= now_ms)
            connections_close(lists[i].head);
    }
}

void connections_close_writers(const struct answer *answer) {
    struct connection *c = lists[PHASE_WRITING].head;
    while (c != NULL) {
        struct connection *next = c->after;
        if (c->answer == answer)
            connections_close(c);
        c = next;
    }
}

void connections_close_all(void) {
    for (int i = 0; i < PHASES; i++) {
        while (lists[i].head != NULL)
            connections_close(lists[i].head);
    }
}
