/* When to ask the agent again: free of I/O and of clocks. */
#ifndef POD_IDENTITY_INIT_WAIT_POLICY_H
#define POD_IDENTITY_INIT_WAIT_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "common/base/failure.h"

#define WAIT_POLL_MS                                                                                         \
    200 /* from one attempt to the next while nobody answers: so the agent's coming up is seen within 250 ms \
         */
/* Of an attempt while waiting: where packets are dropped, a new attempt notices a new agent sooner than the
 * kernel's repetition of an old one, after a second. On the same node a connection takes well under 1 ms. */
#define WAIT_CONNECT_MS 200
#define WAIT_BACKOFF_MS                                                                                      \
    1000 /* after an answer that is an error: a full node of pods asks the same agent…                     \
          */
#define WAIT_BACKOFF_MAX_MS                                                                                  \
    5000 /* …but a pod that waits longer between two attempts starts noticeably later */
#define WAIT_DENIED_FOR_MS                                                                                   \
    5000 /* an association takes some seconds to be seen: so long a denial is not believed */
#define WAIT_ATTEMPT_MIN_MS 1000 /* an attempt just before the deadline still gets so much time */
#define WAIT_OVER INT64_C(-1)

/* When to try again, free of I/O. */
struct wait_policy {
    int64_t deadline_ms;     /* monotonic, like all times here */
    int64_t token_valid_ms;  /* until then the token is refused because of its nbf, which is no denial */
    int64_t denied_since_ms; /* of the denials without interruption; CLOCK_NEVER: the last answer was none */
    int64_t backoff_ms;      /* of the last answered attempt; 0 if it was not answered */
};

/* How an attempt failed. */
struct wait_attempt {
    const struct failure *failure;
    bool answered;              /* by the server: without, the verdict is our own */
    int64_t began_ms, ended_ms; /* monotonic */
};

/* Milliseconds from the attempt's end until the next one, or WAIT_OVER. random makes the jitter. */
int64_t wait_next(struct wait_policy *policy, const struct wait_attempt *attempt, uint32_t random);

#endif
