/* The refresh machine with a made-up clock, watched by a model of what has to hold. Every step checks it. */
#ifndef POD_IDENTITY_TESTS_REFRESH_SIM_H
#define POD_IDENTITY_TESTS_REFRESH_SIM_H

#include "tests/unit/unit.h"

#include "common/source/refresh.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define START_WALL INT64_C(1795435200000)

/* The machine, a made-up clock, and what a careful observer knows. */
extern struct sim {
    struct refresh r;
    struct moment now;
    bool in_flight, had, ended;         /* ended: an event found them expired, which is final */
    int64_t expires_wall, expires_mono; /* of what was accepted last */
    int64_t last_start;
    bool hurried;       /* by the end of what was served, or by the clock: that may come before… */
    int64_t not_before; /* what the server asked for last */
    unsigned fetches;
    bool visited[REFRESH_STATES][REFRESH_EVENTS][2]; /* [in flight before] */
} sim;

void sim_start(uint64_t seed);
/* Both clocks go on. */
void sim_sleep(int64_t ms);
enum refresh_action sim_step(struct refresh_event event);
enum refresh_action sim_event(enum refresh_event_kind kind);
/* An answer with credentials that have so long to live, or a failure; of a fetch that was asked for. */
enum refresh_action sim_fetched(int64_t left_ms);
enum refresh_action sim_failed(int64_t retry_after_ms);
/* On to the deadline, and what the machine does there. */
enum refresh_action sim_to_deadline(void);
/* From the start to fresh credentials. */
void sim_fresh(int64_t left_ms);

#endif
