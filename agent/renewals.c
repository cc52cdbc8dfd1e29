#include "agent/renewals.h"

#include <sys/random.h>

#include "agent/flights.h"
#include "common/base/far.h"
#include "common/serve/loop.h"

/* ---- the heap ---- */

struct node {
    int64_t at_ms;
    struct store_entry *entry;
};
FAR static struct node heap[STORE_ENTRIES_MAX + 2]; /* from 1; the parent of i is i / 2 */
static size_t heap_len;

static void put(size_t i, struct node node) {
    heap[i] = node;
    node.entry->heap = (uint32_t)i;
}

static void sift(size_t i) {
    struct node node = heap[i];
    for (; i > 1 && heap[i / 2].at_ms > node.at_ms; i /= 2)
        put(i, heap[i / 2]);
    for (size_t child; (child = 2 * i) <= heap_len; i = child) {
        child += child < heap_len && heap[child + 1].at_ms < heap[child].at_ms;
        if (heap[child].at_ms >= node.at_ms)
            break;
        put(i, heap[child]);
    }
    put(i, node);
}

static void heap_set(struct store_entry *e, int64_t at_ms) {
    if (e->heap == 0) {
        heap_len++;
        put(heap_len, (struct node){at_ms, e});
    }
    heap[e->heap].at_ms = at_ms;
    sift(e->heap);
}

static void heap_remove(struct store_entry *e) {
    size_t i = e->heap;
    if (i == 0)
        return;
    struct node last = heap[heap_len--];
    e->heap = 0;
    if (last.entry == e)
        return;
    put(i, last);
    sift(i);
}

/* ---- what is due ---- */

static unsigned qps;
static int64_t retention_ms, next_allowed_ms;
static uint64_t seed;
static struct loop_timer timer = {.deadline_ms = CLOCK_NEVER};
static bool held; /* something is due, and no slot is free: renewals_go_on() wakes us */

static void set_timer(void) {
    timer.deadline_ms = heap_len > 0 && !held ? heap[1].at_ms : CLOCK_NEVER;
    if (timer.deadline_ms < next_allowed_ms)
        timer.deadline_ms = next_allowed_ms;
    if (heap_len == 0 || held)
        timer.deadline_ms = CLOCK_NEVER;
}

bool renewals_usable(const struct store_entry *e, struct moment now) {
    return refresh_usable(&e->refresh, now);
}

static int64_t left_ms(const struct refresh *r, struct moment now) {
    int64_t wall = r->expires_wall_ms - now.wall_ms, mono = r->expires_mono_ms - now.mono_ms;
    return wall < mono ? wall : mono;
}

static bool is_due(const struct refresh *r, struct moment now) {
    return !r->in_flight && now.mono_ms >= r->next_mono_ms;
}

/* One that nobody asks for sleeps until its end. */
static void plan(struct store_entry *e, struct moment now) {
    int64_t end_ms = now.mono_ms + left_ms(&e->refresh, now), at_ms = e->refresh.deadline_mono_ms;
    heap_set(e, e->asked && at_ms < end_ms ? at_ms : end_ms);
}

static bool allowed(struct moment now) {
    held = !flights_free_for_renewal();
    return !held && now.mono_ms >= next_allowed_ms;
}

static void renew(struct store_entry *e, struct moment now) {
    if (refresh_step(&e->refresh, &(struct refresh_event){.kind = REFRESH_TICK}, now) == REFRESH_FETCH) {
        next_allowed_ms = now.mono_ms + (1000 + qps - 1) / qps;
        plan(e, now);
        flights_renew(e); /* may end at once: nothing of e is used behind it */
        return;
    }
    plan(e, now);
}

static void run(void) {
    struct moment now = clock_now();
    held = false;
    while (heap_len > 0 && heap[1].at_ms <= now.mono_ms) {
        struct store_entry *e = heap[1].entry;
        if (!renewals_usable(e, now))
            store_remove(e);
        else if (!e->asked || !is_due(&e->refresh, now))
            plan(e, now);
        else if (allowed(now))
            renew(e, now);
        else
            break;
    }
    set_timer();
}

static void on_timer(struct loop_timer *t) {
    (void)t;
    run();
}

void renewals_go_on(void) {
    if (!held)
        return;
    held = false;
    timer.deadline_ms = loop_now().mono_ms;
}

/* ---- events ---- */

void renewals_fetched(struct store_entry *e, int64_t ends_wall_ms) {
    struct moment now = clock_now();
    struct refresh *r = &e->refresh;
    if (r->random == 0)
        refresh_init(r, ++seed, now);
    r->in_flight = true; /* also where a caller's wish brought it */
    (void)refresh_step(r, &(struct refresh_event){.kind = REFRESH_FETCHED, .expires_wall_ms = ends_wall_ms},
                       now);
    if (r->next_mono_ms > now.mono_ms + retention_ms) {
        r->next_mono_ms = now.mono_ms + retention_ms;
        r->deadline_mono_ms = r->next_mono_ms;
    }
    plan(e, now);
    set_timer();
}

void renewals_failed(struct store_entry *e, int64_t retry_after_ms) {
    struct moment now = clock_now();
    e->refresh.in_flight = true;
    (void)refresh_step(
        &e->refresh, &(struct refresh_event){.kind = REFRESH_FAILED, .retry_after_ms = retry_after_ms}, now);
    plan(e, now);
    set_timer();
}

void renewals_asked(struct store_entry *e) {
    if (e->asked)
        return;
    e->asked = true;
    plan(e, clock_now());
    set_timer();
}

void renewals_forget(struct store_entry *e) {
    heap_remove(e);
}

void renewals_clock_jumped(void) {
    struct moment now = clock_now();
    for (size_t i = 0; i < store_high(); i++) {
        struct store_entry *e = store_at(i);
        if (e == NULL || e->heap == 0)
            continue;
        struct refresh *r = &e->refresh;
        bool in_flight = r->in_flight;
        r->in_flight = true; /* what is due now is begun by run(), in its turn */
        (void)refresh_step(r, &(struct refresh_event){.kind = REFRESH_CLOCK_JUMPED}, now);
        r->in_flight = in_flight;
        if (!in_flight && r->next_mono_ms < r->deadline_mono_ms)
            r->deadline_mono_ms = r->next_mono_ms;
        plan(e, now);
    }
    timer.deadline_ms = now.mono_ms;
}

int64_t renewals_nearest_expiry_ms(void) {
    int64_t nearest = 0;
    for (size_t i = 0; i < store_high(); i++) {
        const struct store_entry *e = store_at(i);
        if (e != NULL && e->heap != 0 && (nearest == 0 || e->refresh.expires_wall_ms < nearest))
            nearest = e->refresh.expires_wall_ms;
    }
    return nearest;
}

void renewals_open(unsigned given_qps, int64_t given_retention_ms) {
    qps = given_qps;
    retention_ms = given_retention_ms;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = (uint64_t)clock_now().wall_ms;
    timer.expired = on_timer;
    loop_add_timer(&timer);
}
