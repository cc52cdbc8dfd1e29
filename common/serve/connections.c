#include "common/serve/connections.h"

#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/pages.h"
#include "common/base/wipe.h"

/* So many at a time are usual: their memory is kept for the next ones. */
#define PLACES_KEPT 32
#define PARTIALS_KEPT 4

/* Each phase has one time limit, so each list is in the order of its deadlines, and its head is the next to
 * end. */
static const int32_t limit_ms[PHASES] = {
    [PHASE_NEW] = CONNECTIONS_REQUEST_MS,     [PHASE_IDLE] = CONNECTIONS_IDLE_MS,
    [PHASE_READING] = CONNECTIONS_REQUEST_MS, [PHASE_WRITING] = CONNECTIONS_WRITE_MS,
    [PHASE_WAITING] = CONNECTIONS_WAIT_MS,    [PHASE_DRAINING] = CONNECTIONS_DRAIN_MS,
};

/* Of the server, which is one for the process. Places that were never used were never touched, and take no
 * memory. */
static struct connection *places, *free_list;
static size_t place_count, usable_count, used_count, open_count;
static struct partial *partials;
static size_t partial_count, partials_taken, partials_peak;
static struct connection_group *groups;
static connections_gone *gone;

void connections_open(struct connection *given, size_t count, size_t usable, struct partial *given_partials,
                      size_t partials_given, connections_gone *on_gone) {
    gone = on_gone;
    places = given;
    place_count = count;
    usable_count = usable < count ? usable : count;
    partials = given_partials;
    partial_count = partials_given;
}

void connections_add_group(struct connection_group *group, size_t share, size_t group_partials) {
    size_t all = 0;
    group->share = share;
    group->partials = group_partials;
    group->next = groups;
    groups = group;
    for (const struct connection_group *g = groups; g != NULL; g = g->next)
        all += g->share;
    for (struct connection_group *g = groups; g != NULL; g = g->next) {
        g->places = g->share * usable_count / all;
        if (g->places == 0)
            g->places = 1;
    }
}

size_t connections_count(void) {
    return open_count;
}

/* ---- lists ---- */

static void unlink_connection(struct connection *c) {
    struct connection_list *list = &c->group->lists[c->phase];
    if (c->before != NULL)
        c->before->after = c->after;
    else
        list->head = c->after;
    if (c->after != NULL)
        c->after->before = c->before;
    else
        list->tail = c->before;
    c->group->idle -= c->phase == PHASE_IDLE;
}

static void append(struct connection *c, enum connection_phase phase) {
    struct connection_list *list = &c->group->lists[phase];
    c->phase = phase;
    c->deadline_ms = loop_now().mono_ms + limit_ms[phase];
    c->before = list->tail;
    c->after = NULL;
    if (c->before != NULL)
        c->before->after = c;
    else
        list->head = c;
    list->tail = c;
    c->group->idle += phase == PHASE_IDLE;
}

void connections_enter(struct connection *c, enum connection_phase phase) {
    if (c->phase == phase && phase != PHASE_IDLE)
        return;
    unlink_connection(c);
    append(c, phase);
}

/* ---- places ---- */

void connections_close(struct connection *c) {
    if (c->phase == PHASE_WAITING)
        gone(c);
    unlink_connection(c);
    connections_drop_partial(c);
    if (c->link != NULL)
        c->link->transport->end(c);
    close(c->watch.fd);
    c->watch.fd = -1;
    c->group->open--;
    open_count--;
    c->after = free_list;
    free_list = c;
}

/* Ends it against its will. What it has not taken of its answer would lie in the kernel, as our memory, for
 * minutes: so it is thrown away. */
static void cut_off(struct connection *c) {
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (c->phase == PHASE_WRITING || c->phase == PHASE_DRAINING)
        (void)setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    connections_close(c);
}

/* The one that has been in that phase longest, if that is long enough. */
static struct connection *oldest(const struct connection_group *group, enum connection_phase phase,
                                 int64_t for_ms) {
    struct connection *c = group->lists[phase].head;
    return c != NULL && c->deadline_ms - limit_ms[phase] + for_ms <= loop_now().mono_ms ? c : NULL;
}

/* The oldest that waits, of those whose crowd is the largest: who parks many connections throws out its own,
 * and nobody else's. NULL if none waits (or none of them holds a partial). */
static struct connection *of_largest_crowd(const struct connection_group *group, bool with_partial) {
    struct connection *found = NULL;
    uint32_t most = 0;
    for (struct connection *c = group->lists[PHASE_WAITING].head; c != NULL; c = c->after) {
        uint32_t crowd = c->waiting.by != NULL ? c->waiting.by->waiting : 0;
        if ((found == NULL || crowd > most) && (!with_partial || c->partial != NULL)) {
            found = c;
            most = crowd;
        }
    }
    return found;
}

/* Who gives way. Those who were served, and may be served again, keep half of the places against newcomers,
 * so that a flood of those does not throw them out, and newcomers get the other half, so that a pool of idle
 * connections does not keep them out. NULL: the newcomers that there are have not had their turn yet. */
static struct connection *least_useful(const struct connection_group *group) {
    static const struct {
        uint8_t phase; /* enum connection_phase */
        int16_t for_ms;
    } order[] = {
        {PHASE_DRAINING, 0},
        {PHASE_WRITING, CONNECTIONS_STALL_MS},
        {PHASE_READING, CONNECTIONS_STALL_MS},
        {PHASE_NEW, CONNECTIONS_TURN_MS},
        {PHASE_READING, 0},
        {PHASE_IDLE, 0},
        {PHASE_WRITING, 0},
    };
    if (group->spare != NULL)
        return group->spare(group);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        bool turns = order[i].phase == PHASE_NEW;
        struct connection *c = oldest(group, order[i].phase, order[i].for_ms);
        if (c == NULL && turns && group->idle > group->open / 2)
            c = group->lists[PHASE_IDLE].head;
        if (c != NULL || (turns && group->lists[PHASE_NEW].head != NULL))
            return c;
    }
    return of_largest_crowd(group, false);
}

/* Its own, and none that it may borrow is free. */
static bool all_taken(const struct connection_group *group) {
    return group->open >= group->places && !(group->borrows && open_count < usable_count);
}

int64_t connections_room_at(const struct connection_group *group) {
    const struct connection *newcomer = group->lists[PHASE_NEW].head;
    if (!all_taken(group) || (newcomer == NULL && group->spare == NULL) || least_useful(group) != NULL)
        return 0;
    if (group->spare != NULL)
        return loop_now().mono_ms + CONNECTIONS_TURN_MS; /* it looks again */
    return newcomer->deadline_ms - limit_ms[PHASE_NEW] + CONNECTIONS_TURN_MS;
}

static bool make_room_in(const struct connection_group *group) {
    struct connection *c = least_useful(group);
    if (c != NULL)
        cut_off(c);
    return c != NULL;
}

bool connections_make_room(void) {
    const struct connection_group *fullest = NULL;
    for (const struct connection_group *g = groups; g != NULL; g = g->next) {
        if (g->open > 0 && (fullest == NULL || g->open * fullest->places > fullest->open * g->places))
            fullest = g;
    }
    return fullest != NULL && make_room_in(fullest);
}

/* From the group that has borrowed most: what is borrowed has no turn to wait for. */
static bool call_in(void) {
    const struct connection_group *debtor = NULL;
    for (const struct connection_group *g = groups; g != NULL; g = g->next) {
        if (g->open > g->places && (debtor == NULL || g->open - g->places > debtor->open - debtor->places))
            debtor = g;
    }
    if (debtor == NULL)
        return connections_make_room();
    struct connection *c = least_useful(debtor);
    cut_off(c != NULL ? c : debtor->lists[PHASE_NEW].head); /* NULL: there are newcomers */
    return true;
}

static struct connection *take_place(struct connection_group *group) {
    if (all_taken(group) && !make_room_in(group))
        return NULL;
    if (free_list == NULL && used_count < usable_count)
        return &places[used_count++];
    if (free_list == NULL && !call_in())
        return NULL;
    struct connection *c = free_list;
    free_list = c->after;
    return c;
}

struct connection *connections_add(struct connection_group *group, const struct loop_watch *watch,
                                   const struct server_listener *listener) {
    struct connection *c = take_place(group);
    if (c == NULL)
        return NULL;
    *c = (struct connection){.watch = *watch, .group = group, .listener = listener};
    append(c, PHASE_NEW);
    open_count++;
    group->open++;
    return c;
}

size_t connections_number(const struct connection *c) {
    return (size_t)(c - places);
}

/* Nobody is there, and more were than usual. */
static bool places_to_give_back(void) {
    return open_count == 0 && used_count > PLACES_KEPT;
}

static void give_back_places(void) {
    used_count = 0;
    free_list = NULL;
    pages_give_back(places, places + place_count);
}

/* ---- partial requests ---- */

/* They are zero already, but where a server has given them rooms: then these go, which are larger. */
static void give_back_partials(void) {
    partials_peak = 0;
    if (partials[0].request.room.cap == 0)
        pages_give_back(partials, partials + partial_count);
    for (size_t i = 0; i < partial_count && partials[i].request.room.cap > 0; i++)
        pages_give_back(partials[i].request.room.text,
                        partials[i].request.room.text + partials[i].request.room.cap);
}

void connections_drop_partial(struct connection *c) {
    if (c->partial == NULL)
        return;
    if (c->partial->bodies != NULL)
        c->partial->bodies->class->release(c);
    request_reset(&c->partial->request);
    wipe(c->partial->pending, c->partial->pending_len);
    c->partial->pending_len = 0;
    if (c->partial->large) {
        const struct request_room *room = &c->partial->request.room;
        pages_give_back(room->text, room->text + room->cap);
        c->group->larges_used--;
    }
    c->partial->taken = c->partial->large = false;
    c->partial = NULL;
    c->group->partials_used--;
    if (--partials_taken == 0 && partials_peak > PARTIALS_KEPT)
        give_back_partials();
}

static struct connection *oldest_holder(const struct connection *but, enum connection_phase phase) {
    for (struct connection *c = but->group->lists[phase].head; c != NULL; c = c->after) {
        if (c->partial != NULL && c != but)
            return c;
    }
    return NULL;
}

/* Who reads no answers, or sends more while an answer is awaited (no SDK does), before who is slow to ask. */
static struct connection *holder_to_spare(const struct connection *but) {
    struct connection *c = oldest_holder(but, PHASE_WRITING);
    if (c == NULL)
        c = of_largest_crowd(but->group, true);
    return c != NULL && c != but ? c : oldest_holder(but, PHASE_READING);
}

bool connections_take_partial(struct connection *c) {
    if (c->partial != NULL)
        return true;
    if (c->group->partials_used >= c->group->partials) {
        struct connection *holder = holder_to_spare(c);
        if (holder == NULL)
            return false;
        cut_off(holder);
    }
    for (size_t i = 0; i < partial_count; i++) {
        if (!partials[i].taken) {
            partials[i].taken = true;
            c->partial = &partials[i];
            c->group->partials_used++;
            if (++partials_taken > partials_peak)
                partials_peak = partials_taken;
            return true;
        }
    }
    return false;
}

static struct connection *oldest_large(const struct connection *but) {
    for (struct connection *c = but->group->lists[PHASE_READING].head; c != NULL; c = c->after) {
        if (c->partial != NULL && c->partial->large && c != but)
            return c;
    }
    return NULL;
}

bool connections_take_large(struct connection *c) {
    if (c->partial->large)
        return true;
    if (c->group->larges_used >= c->group->larges) {
        struct connection *holder = oldest_large(c);
        if (holder == NULL)
            return false;
        cut_off(holder);
    }
    c->partial->large = true;
    c->group->larges_used++;
    return true;
}

/* ---- deadlines ---- */

int64_t connections_deadline(void) {
    int64_t nearest = places_to_give_back() ? loop_now().mono_ms : CLOCK_NEVER;
    for (const struct connection_group *g = groups; g != NULL; g = g->next) {
        for (int i = 0; i < PHASES && g->open > 0; i++) {
            if (g->lists[i].head != NULL && g->lists[i].head->deadline_ms < nearest)
                nearest = g->lists[i].head->deadline_ms;
        }
    }
    return nearest;
}

struct connection *connections_waited(int64_t now_ms) {
    for (struct connection_group *g = groups; g != NULL; g = g->next) {
        struct connection *c = g->lists[PHASE_WAITING].head;
        if (c != NULL && c->deadline_ms <= now_ms)
            return c;
    }
    return NULL;
}

void connections_expire(int64_t now_ms) {
    for (struct connection_group *g = groups; g != NULL; g = g->next) {
        for (int i = 0; i < PHASES; i++) {
            while (g->lists[i].head != NULL && g->lists[i].head->deadline_ms <= now_ms)
                cut_off(g->lists[i].head);
        }
    }
    if (places_to_give_back()) /* here no event of this round is left that might be for one of them */
        give_back_places();
}

bool connections_write(const struct answer *answer) {
    for (const struct connection_group *g = groups; g != NULL; g = g->next) {
        for (const struct connection *c = g->lists[PHASE_WRITING].head; c != NULL; c = c->after) {
            if (c->answer == answer)
                return true;
        }
    }
    return false;
}

void connections_close_writers(const struct answer *answer) {
    for (struct connection_group *g = groups; g != NULL; g = g->next) {
        struct connection *c = g->lists[PHASE_WRITING].head;
        while (c != NULL) {
            struct connection *next = c->after;
            if (c->answer == answer)
                cut_off(c);
            c = next;
        }
    }
}

void connections_close_all(void) {
    for (struct connection_group *g = groups; g != NULL; g = g->next) {
        for (int i = 0; i < PHASES; i++) {
            while (g->lists[i].head != NULL)
                connections_close(g->lists[i].head);
        }
    }
    groups = NULL;
}
