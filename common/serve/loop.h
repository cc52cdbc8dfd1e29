/* The event loop: one thread, epoll, absolute deadlines. Nothing here knows what is served. There is one for
 * the process, which has one thread. */
#ifndef POD_IDENTITY_SERVE_LOOP_H
#define POD_IDENTITY_SERVE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"

struct loop_watch;
typedef void loop_ready(struct loop_watch *watch, uint32_t epoll_events);

/* Embedded in whatever owns the descriptor, which OWNER() finds again. A watch whose fd is negative is never
 * called, so one handler may close the descriptor of another that is still in the same batch of events. */
struct loop_watch {
    int fd;
    loop_ready *ready;
};

struct loop_timer;
typedef void loop_expired(struct loop_timer *timer);

/* Embedded likewise. Setting deadline_ms is all it takes to arm it; CLOCK_NEVER disarms. */
struct loop_timer {
    int64_t deadline_ms; /* monotonic */
    loop_expired *expired;
    struct loop_timer *next; /* the loop's own */
};

/* false with errno if the kernel refuses. */
bool loop_open(void);
bool loop_add(struct loop_watch *watch, uint32_t epoll_events);
bool loop_change(struct loop_watch *watch, uint32_t epoll_events);
void loop_remove(struct loop_watch *watch);    /* before its descriptor is closed */
void loop_add_timer(struct loop_timer *timer); /* once for each; it stays */

/* Runs until loop_stop(). Sleeps until an event or the nearest deadline; with neither it does not wake up. */
void loop_run(void);
void loop_stop(void);

/* The moment at which the present round of events began; read once a round. */
struct moment loop_now(void);
/* Which round of the loop this is: what must not be done twice in one is known by it. */
unsigned loop_round(void);

#endif
