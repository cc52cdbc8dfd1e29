#include "common/source/refresh.h"

#define RETRY_WINDOW_MS 2000 /* the first retry comes after 1 to 2 s; the window doubles from there */

const char *refresh_state_name(enum refresh_state state) {
    static const char *const names[] = {"never-had",         "fresh",   "due",
                                        "failing-but-valid", "expired", "unknown"};
    return names[state < REFRESH_STATES ? state : REFRESH_STATES];
}

/* xorshift64*: jitter has to differ from pod to pod, not to be secret. */
static int64_t random_below(struct refresh *r, int64_t limit) {
    r->random ^= r->random >> 12;
    r->random ^= r->random << 25;
    r->random ^= r->random >> 27;
    uint64_t value = (r->random * UINT64_C(2685821657736338717)) >> 1;
    return limit > 0 ? (int64_t)(value % (uint64_t)limit) : 0;
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static bool has_credentials(const struct refresh *r) {
    return r->state != REFRESH_NEVER_HAD;
}

bool refresh_usable(const struct refresh *r, struct moment now) {
    return has_credentials(r) && r->state != REFRESH_EXPIRED && now.wall_ms < r->expires_wall_ms &&
           now.mono_ms < r->expires_mono_ms;
}

static int64_t time_left(const struct refresh *r, struct moment now) {
    return smaller(r->expires_wall_ms - now.wall_ms, r->expires_mono_ms - now.mono_ms);
}

/* Half of what is left, and not into the reserve where the lifetime allows; less up to 10 %, so that pods
 * that started together do not come back together. A source that hands out the same credentials again does no
 * harm. */
static int64_t delay_for(struct refresh *r, int64_t left_ms) {
    int64_t delay = left_ms / 2;
    if (left_ms > REFRESH_RESERVE_MS)
        delay = smaller(delay, left_ms - REFRESH_RESERVE_MS);
    delay -= random_below(r, delay / 10 + 1);
    return larger(delay, REFRESH_FLOOR_MS);
}

/* ---- handlers: each is one thing that can happen ---- */

typedef void handler(struct refresh *r, const struct refresh_event *event, struct moment now);

static void nothing(struct refresh *r, const struct refresh_event *event, struct moment now) {
    (void)r, (void)event, (void)now;
}

/* Full jitter between the floor and a window that doubles up to the longest. */
static int64_t next_back_off(struct refresh *r) {
    int64_t window = RETRY_WINDOW_MS;
    for (unsigned i = 0; i < r->failures && window < REFRESH_RETRY_MAX_MS; i++)
        window *= 2;
    r->failures++;
    return REFRESH_FLOOR_MS + random_below(r, smaller(window, REFRESH_RETRY_MAX_MS) - REFRESH_FLOOR_MS + 1);
}

/* New credentials replace the old ones, whatever was before. What has ended already counts as a failure:
 * sources refuse it, unless they are told to pass it on. */
static void accept(struct refresh *r, const struct refresh_event *event, struct moment now) {
    int64_t left = event->expires_wall_ms - now.wall_ms;
    r->in_flight = false;
    r->rotated_in_flight = false;
    r->not_before_mono_ms = now.mono_ms;
    r->expires_wall_ms = event->expires_wall_ms;
    r->expires_mono_ms = now.mono_ms + left;
    r->state = left > 0 ? REFRESH_FRESH : REFRESH_EXPIRED;
    if (left > 0)
        r->failures = 0;
    r->next_mono_ms = now.mono_ms + (left > 0 ? delay_for(r, left) : next_back_off(r));
}

static void come_by(struct refresh *r, int64_t earliest, struct moment now) {
    earliest = larger(earliest, larger(now.mono_ms, r->attempted_mono_ms + REFRESH_FLOOR_MS));
    r->next_mono_ms = smaller(r->next_mono_ms, earliest);
}

/* As soon as the floor since the latest attempt allows. One that is under way serves the wish as well. */
static void hurry(struct refresh *r, const struct refresh_event *event, struct moment now) {
    (void)event;
    come_by(r, now.mono_ms, now);
}

/* And as soon as the server allows. */
static void wish(struct refresh *r, const struct refresh_event *event, struct moment now) {
    (void)event;
    come_by(r, r->not_before_mono_ms, now);
}

/* A server that names a time is given that time and a little of our own, or a whole node would come back at
 * the same instant. */
static void back_off(struct refresh *r, const struct refresh_event *event, struct moment now) {
    int64_t delay = next_back_off(r);
    int64_t asked = smaller(event->retry_after_ms, REFRESH_RETRY_AFTER_MAX_MS);
    if (asked > 0)
        delay = larger(delay, asked + random_below(r, asked / 10 + 1));
    r->in_flight = false;
    r->not_before_mono_ms = now.mono_ms + larger(asked, 0);
    r->next_mono_ms = now.mono_ms + delay;
    if (r->state == REFRESH_FRESH || r->state == REFRESH_DUE)
        r->state = REFRESH_FAILING_VALID;
    if (r->rotated_in_flight)
        wish(r, event, now);
    r->rotated_in_flight = false;
}

/* A new token may mend what is wrong: tried as soon as possible, whatever was planned for the old one. */
static void rotated(struct refresh *r, const struct refresh_event *event, struct moment now) {
    r->rotated_in_flight = r->in_flight;
    wish(r, event, now);
}

/* The clock was set while all was well: less may be left than was thought, so come earlier, never later. */
static void reconsider(struct refresh *r, const struct refresh_event *event, struct moment now) {
    (void)event;
    r->next_mono_ms = smaller(r->next_mono_ms, now.mono_ms + delay_for(r, time_left(r, now)));
}

static handler *const table[REFRESH_STATES][REFRESH_EVENTS] = {
    /*                          tick     fetched failed    clock jumped token rotated requested */
    [REFRESH_NEVER_HAD] = {nothing, accept, back_off, hurry, rotated, wish},
    [REFRESH_FRESH] = {nothing, accept, back_off, reconsider, nothing, wish},
    [REFRESH_DUE] = {nothing, accept, back_off, reconsider, rotated, wish},
    [REFRESH_FAILING_VALID] = {nothing, accept, back_off, hurry, rotated, wish},
    [REFRESH_EXPIRED] = {nothing, accept, back_off, hurry, rotated, wish},
};

void refresh_init(struct refresh *r, uint64_t seed, struct moment now) {
    *r = (struct refresh){
        .state = REFRESH_NEVER_HAD,
        .attempted_mono_ms = now.mono_ms - REFRESH_FLOOR_MS,
        .not_before_mono_ms = now.mono_ms,
        .next_mono_ms = now.mono_ms,
        .deadline_mono_ms = now.mono_ms,
        .random = seed != 0 ? seed : 1, /* zero would stay zero */
    };
}

/* Expiry by the wall clock is turned into a moment on the monotonic clock: if the wall clock is set in
 * between, an event says so, and this is done anew. */
static void set_deadline(struct refresh *r, struct moment now) {
    int64_t expiry = CLOCK_NEVER;
    if (refresh_usable(r, now))
        expiry = now.mono_ms + time_left(r, now);
    r->deadline_mono_ms = r->in_flight ? expiry : smaller(expiry, r->next_mono_ms);
}

enum refresh_action refresh_step(struct refresh *r, const struct refresh_event *event, struct moment now) {
    /* An answer that nobody waits for (a cancelled fetch) changes nothing. */
    bool stray = !r->in_flight && (event->kind == REFRESH_FETCHED || event->kind == REFRESH_FAILED);
    if (has_credentials(r) && r->state != REFRESH_EXPIRED && !refresh_usable(r, now)) {
        r->state = REFRESH_EXPIRED;
        hurry(r, event, now); /* whatever was planned was planned for credentials with time left */
    }
    if (!stray)
        table[r->state][event->kind](r, event, now);
    enum refresh_action action = REFRESH_WAIT;
    if (!r->in_flight && now.mono_ms >= r->next_mono_ms) {
        action = REFRESH_FETCH;
        r->in_flight = true;
        r->attempted_mono_ms = now.mono_ms;
        if (r->state == REFRESH_FRESH)
            r->state = REFRESH_DUE;
    }
    set_deadline(r, now);
    return action;
}
