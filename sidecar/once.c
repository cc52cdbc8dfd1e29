#include "sidecar/once.h"

#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "common/base/environment.h"
#include "common/base/far.h"
#include "common/base/timefmt.h"
#include "common/source/authorities.h"
#include "common/source/fetch.h"
#include "common/source/refresh.h"
#include "common/source/verdict.h"
#include "sidecar/complain.h"
#include "sidecar/sinks.h"
#include "sidecar/trust.h"

/* One run of `once`: the refresh machine decides when to try, and this when to give up. */
struct attempt {
    const struct config_profile *profile;
    int64_t wait_ms;
    struct refresh refresh;
    struct refresh_event event;
    struct verdict verdict; /* whose failure that is */
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
        const struct failure *f = outcome->failure;
        if (verdict_takes(&a->verdict, outcome, clock_now().mono_ms))
            a->failure = *f;
        a->event = (struct refresh_event){.kind = REFRESH_FAILED, .retry_after_ms = f->retry_after_ms};
        return;
    }
    struct buf problem = BUF(a->problem);
    char expires[TIME_UTC_MAX], id[CREDENTIALS_SHORT_ID_MAX];
    a->fetched = true;
    if (sinks_write(a->profile, sinks_wanted(a->profile), outcome->credentials, &problem) != 0)
        return;
    if (outcome->ends_wall_ms <= clock_now().wall_ms)
        LOG(LOG_WARN, "the credentials have expired, and are passed on (--expired=pass)",
            LOG_TEXT("profile", a->profile->name));
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

static bool hopeless(const struct attempt *a) {
    int64_t now = clock_now().mono_ms;
    return a->failure.permanent ||
           (a->denied_since_ms != CLOCK_NEVER && now - a->denied_since_ms >= FETCH_DENIED_FOR_MS);
}

static void fetch_once(struct attempt *a, struct source *source, int64_t end_ms) {
    enum { LEAST_MS = 1000 }; /* the last attempt, at the end, gets so long all the same */
    FAR static struct fetch fetch;
    int64_t left = end_ms - clock_now().mono_ms;
    if (a->wait_ms == 0)
        left = 0;
    else if (left < LEAST_MS)
        left = LEAST_MS;
    fetch_start(&fetch, source, left, on_fetched, a);
    fetch_wait(&fetch);
    if (!a->fetched)
        refresh_step(&a->refresh, &a->event, clock_now());
}

/* When an attempt is wanted whatever the back-off: at the end of the wait, and when a denial has lasted long
 * enough. */
static int64_t attempt_at(const struct attempt *a, int64_t end_ms) {
    int64_t believed =
        a->denied_since_ms == CLOCK_NEVER ? CLOCK_NEVER : a->denied_since_ms + FETCH_DENIED_FOR_MS;
    return believed < end_ms ? believed : end_ms;
}

static void try_until(struct attempt *a, struct source *source, int64_t end_ms) {
    bool hurry = false, last = a->wait_ms == 0;
    while (!a->fetched) {
        struct refresh_event event = {.kind = hurry ? REFRESH_REQUESTED : REFRESH_TICK};
        bool tried = refresh_step(&a->refresh, &event, clock_now()) == REFRESH_FETCH;
        if (tried)
            fetch_once(a, source, end_ms);
        if (a->fetched || hopeless(a) ||
            last) /* the last attempt, unless the server's Retry-After is later */
            return;
        int64_t limit = attempt_at(a, end_ms), next = a->refresh.deadline_mono_ms;
        hurry = next >= limit;
        last = hurry && limit == end_ms;
        sleep_until(hurry && clock_now().mono_ms < limit ? limit : next);
    }
}

/* As process 1 of a container nothing ends us that has no handler. A file that is half-written goes at the
 * next start. */
static void on_signal(int signal) {
    _exit(128 + signal);
}

static int write_profile(const struct config *config, size_t i, int64_t end_ms) {
    FAR static struct source sources[CONFIG_PROFILES_MAX];
    FAR static struct source_scratch scratch;
    FAR static struct attempt attempts[CONFIG_PROFILES_MAX];
    struct source *source = &sources[i];
    struct attempt *a = &attempts[i];
    uint64_t seed = 1;
    (void)!getrandom(&seed, sizeof seed, GRND_NONBLOCK);
    a->profile = &config->profiles[i];
    a->wait_ms = config->wait_ms;
    a->denied_since_ms = CLOCK_NEVER;
    if (source_open(source, &a->profile->source, environment, &scratch, &a->failure) != REASON_OK ||
        !trust_authorities(&config->profiles[0].source, authorities_needed(source), &a->failure))
        return complain_failure(&a->failure);
    sinks_open(a->profile);
    refresh_init(&a->refresh, seed, clock_now());
    try_until(a, source, end_ms);
    source_wipe(source);
    if (!a->fetched) {
        verdict_explain(&a->verdict, &a->failure);
        return complain_failure(&a->failure);
    }
    return a->problem[0] != '\0' ? complain(EXIT_CANNOT_CREATE, a->problem) : 0;
}

int once(const struct config *config) {
    int64_t end_ms = clock_now().mono_ms + config->wait_ms;
    int status = 0;
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGINT, on_signal);
    if (http_open(NULL) != ERR_OK)
        return complain(REASON_INTERNAL, "cannot set up the HTTP client: out of memory");
    for (size_t i = 0; i < config->profile_count; i++) { /* a profile that fails does not keep the others */
        int failed = write_profile(config, i, end_ms);
        status = status != 0 ? status : failed;
    }
    http_close();
    return status;
}
