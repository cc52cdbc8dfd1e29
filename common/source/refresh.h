/* When to fetch: a pure state machine, free of I/O. Nothing else in the project decides it.
 *
 * The owner feeds events with the present moment, carries out the returned action, and calls again with
 * REFRESH_TICK at the deadline. All intervals run on the monotonic clock; expiry is judged on the wall clock
 * and on the monotonic clock as it stood at the fetch, whichever ends first, so that a clock set back never
 * stretches a credential's life. */
#ifndef POD_IDENTITY_SOURCE_REFRESH_H
#define POD_IDENTITY_SOURCE_REFRESH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"

#define REFRESH_RESERVE_MS                                                                                   \
    (20 * 60 * 1000)          /* SDKs ask at every use below 15 minutes; 5 for failures and jitter */
#define REFRESH_FLOOR_MS 1000 /* the least time between two attempts */
#define REFRESH_RETRY_MAX_MS (60 * 1000)            /* the longest back-off of our own */
#define REFRESH_RETRY_AFTER_MAX_MS (15 * 60 * 1000) /* the longest Retry-After that is believed */

enum refresh_state {
    REFRESH_NEVER_HAD,     /* nothing to serve yet */
    REFRESH_FRESH,         /* valid, and not yet time for the next fetch */
    REFRESH_DUE,           /* valid, a fetch is under way, and the last one succeeded */
    REFRESH_FAILING_VALID, /* valid, but the last fetch failed */
    REFRESH_EXPIRED,       /* had credentials, and they have ended */
    REFRESH_STATES
};

enum refresh_event_kind {
    REFRESH_TICK,          /* the deadline has come, or nothing in particular */
    REFRESH_FETCHED,       /* expires_wall_ms */
    REFRESH_FAILED,        /* retry_after_ms, 0 if the server did not say */
    REFRESH_CLOCK_JUMPED,  /* the wall clock was set, or the machine slept */
    REFRESH_TOKEN_ROTATED, /* the token file was replaced; waits for Retry-After */
    REFRESH_REQUESTED,     /* a person or program wants new credentials now; waits for Retry-After */
    REFRESH_EVENTS
};

struct refresh_event {
    enum refresh_event_kind kind;
    int64_t expires_wall_ms;
    int64_t retry_after_ms;
};

enum refresh_action { REFRESH_WAIT, REFRESH_FETCH };

struct refresh {
    enum refresh_state state;
    bool in_flight;             /* a fetch was asked for, and has not been answered by FETCHED or FAILED */
    bool rotated_in_flight;     /* the token was replaced meanwhile: what is under way has the old one */
    unsigned failures;          /* in a row */
    int64_t attempted_mono_ms;  /* the start of the latest fetch */
    int64_t next_mono_ms;       /* of the next fetch; has no meaning while one is in flight */
    int64_t not_before_mono_ms; /* the server asked for that (Retry-After): no wish comes earlier */
    int64_t expires_wall_ms, expires_mono_ms;
    int64_t
        deadline_mono_ms; /* when REFRESH_TICK is wanted; CLOCK_NEVER if only an event can change anything */
    uint64_t random;
};

/* The first REFRESH_TICK answers REFRESH_FETCH. seed makes the jitter; any value will do. */
void refresh_init(struct refresh *r, uint64_t seed, struct moment now);

enum refresh_action refresh_step(struct refresh *r, const struct refresh_event *event, struct moment now);

/* Whether the last fetched credentials may still be handed out. Once an event found them expired they stay
 * so, even if the clock is set back: their owner has withdrawn and wiped them. */
bool refresh_usable(const struct refresh *r, struct moment now);

const char *refresh_state_name(enum refresh_state state);

#endif
