/* Time. Intervals are measured on a monotonic clock that goes on through suspend; expiry is wall time.
 *
 * Nothing else in the project asks the system what time it is, so a test build can put made-up time behind
 * this. */
#ifndef POD_IDENTITY_BASE_CLOCK_H
#define POD_IDENTITY_BASE_CLOCK_H

#include <stdint.h>

/* A moment, on both clocks at once. */
struct moment {
    int64_t mono_ms; /* since an arbitrary start; never goes back, counts time asleep */
    int64_t wall_ms; /* since 1970-01-01T00:00:00Z; may jump either way */
};

#define CLOCK_NEVER INT64_MAX /* a deadline that does not come */

struct moment clock_now(void);

/* Replaces the source of time, for tests; NULL restores the system's. Not for use with threads running. */
typedef struct moment clock_source(void);
void clock_use(clock_source *source);

/* Milliseconds from now until a deadline on the monotonic clock, at least 0 and at most max_ms. */
int64_t clock_until(int64_t deadline_mono_ms, int64_t now_mono_ms, int64_t max_ms);

#endif
