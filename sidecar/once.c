#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/fetch.h"
#include "common/refresh.h"
#include "common/timefmt.h"
#include "sidecar/serve.h"
#include "sidecar/sinks.h"

/* One run of `once`: the refresh machine decides when to try, and this when to give up. */
struct attempt {
    const struct config *config;
    struct refresh refresh;
    struct refresh_event event;
    struct failure failure;
    int64_t denied_since_ms; /* CLOCK_NEVER: the last answer was no denial */
    bool fetched;
    char problem[SINKS_PROBLEM_MAX]; /* of writing the files */
};

static void note_denial(struct attempt *a, enum reason reason) {
    if (reason != REASON_ACCESS_DENIED)
        a->denied_since_ms = CLOCK_NEVER;
    else if (a->denied_since_ms == CLOCK_NEVER)
        a->denied_since_ms = clock_now().mono_ms;
}

static void on_fetched(void *context, const struct fetch_outcome *outcome) {
    struct attempt *a = context;
    note_denial(a, outcome->reason);
    if (outcome->reason != REASON_OK) {
        a->failure = *outcome->failure;
        a->event =
            (struct refresh_event){.kind = REFRESH_FAILED, .retry_after_ms = a->failure.retry_after_ms};
        return;
    }
    struct buf problem = BUF(a->problem);
    char expires[TIME_UTC_MAX], id[CREDENTIALS_SHORT_ID_MAX];
    a->fetched = true;
    if (!sinks_write(a->config, outcome->credentials, &problem))
        return;
    time_format_utc(outcome->credentials->expires_ms / 1000, expires);
    credentials_short_id(outcome->credentials, id);
    LOG(LOG_INFO, "credentials written", LOG_TEXT("access_key_id", id), LOG_TEXT("expires", expires));
}

static void sleep_until(int64_t deadline_ms) {
    enum { HOUR_MS = 3600000 };
    int64_t left = clock_until(deadline_ms, clock_now().mono_ms, HOUR_MS);
    struct timespec t = {.tv_sec = (time_t)(left / 1000), .tv_nsec = (long)(left % 1000 * 1000000)};
    (void)nanosleep(&t, NULL);
}

static bool give_up(const struct attempt *a, int64_t end_ms) {
    int64_t now = clock_now().mono_ms;
    bool denied = a->denied_since_ms != CLOCK_NEVER && now - a->denied_since_ms >= FETCH_DENIED_FOR_MS;
    return a->failure.permanent || denied || now >= end_ms || a->refresh.deadline_mono_ms >= end_ms;
}

static void try_until(struct attempt *a, struct source *source, int64_t end_ms) {
    static struct fetch fetch;
    struct refresh_event tick = {.kind = REFRESH_TICK};
    while (!a->fetched) {
        if (refresh_step(&a->refresh, &tick, clock_now()) == REFRESH_FETCH) {
            int64_t left = end_ms - clock_now().mono_ms;
            fetch_start(&fetch, source, left < 1000 ? 0 : left, on_fetched, a);
            fetch_wait(&fetch);
            if (a->fetched)
                return;
            refresh_step(&a->refresh, &a->event, clock_now());
        }
        if (give_up(a, end_ms))
            return;
        sleep_until(a->refresh.deadline_mono_ms);
    }
}

int once(const struct config *config) {
    static struct source source;
    static struct attempt a;
    uint64_t seed = 1;
    if (source_open(&source, config->source, environment, &a.failure) != REASON_OK)
        return complain_failure(&a.failure);
    if (http_open(NULL) != ERR_OK)
        return complain(REASON_INTERNAL, "cannot set up the HTTP client: out of memory");
    (void)!getrandom(&seed, sizeof seed, GRND_NONBLOCK);
    a.config = config;
    a.denied_since_ms = CLOCK_NEVER;
    sinks_open(config);
    refresh_init(&a.refresh, seed, clock_now());
    try_until(&a, &source, clock_now().mono_ms + config->wait_ms);
    http_close();
    if (!a.fetched)
        return complain_failure(&a.failure);
    return a.problem[0] != '\0' ? complain(EXIT_CANNOT_CREATE, a.problem) : 0;
}
