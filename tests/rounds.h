/* The loop for tests, unit tests and fuzz targets: it runs as far as they say. */
#ifndef POD_IDENTITY_TESTS_ROUNDS_H
#define POD_IDENTITY_TESTS_ROUNDS_H

#include "common/base/clock.h"
#include "common/serve/loop.h"

static struct loop_timer rounds_end = {.deadline_ms = CLOCK_NEVER};

static inline void rounds_over(struct loop_timer *timer) {
    timer->deadline_ms = CLOCK_NEVER;
    loop_stop();
}

/* After loop_open(), once. */
static inline void rounds_open(void) {
    rounds_end.expired = rounds_over;
    loop_add_timer(&rounds_end);
}

/* Until that moment of clock_now(), which may be made up, and what is ready then. */
static inline void rounds_until(int64_t mono_ms) {
    rounds_end.deadline_ms = mono_ms;
    loop_run();
}

static inline void rounds(unsigned n) {
    while (n-- > 0)
        rounds_until(clock_now().mono_ms);
}

#endif
