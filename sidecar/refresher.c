#include "sidecar/refresher.h"

#include <string.h>
#include <sys/random.h>

#include "common/base/owner.h"
#include "common/base/timefmt.h"
#include "common/serve/loop.h"
#include "common/source/fetch.h"
#include "sidecar/answers.h"
#include "sidecar/metrics.h"
#include "sidecar/notify.h"
#include "sidecar/sinks.h"

/* One profile's. */
struct refresher {
    struct loop_timer timer;
    size_t number;
    const struct config_profile *profile;
    struct source *source;
    struct refresh refresh;
    bool serving; /* the pages hold credentials */
    struct failure last_failure;
    struct log_repeat fetch_failing, sinks_failing;
    char sinks_problem[SINKS_PROBLEM_MAX]; /* "" if all files are written */
    struct fetch fetch;
};

static const struct config *config;
static struct refresher refreshers[CONFIG_PROFILES_MAX];
static bool stopped;

/* In the log, where there are several. */
static struct log_field profile_field(const struct refresher *r) {
    return config->profile_count > 1 ? LOG_TEXT("profile", r->profile->name) : LOG_END;
}

/* Puts into last_failure, in front of its cause, that what there was has ended. */
static void name_end(struct refresher *r) {
    char expired[TIME_UTC_MAX], cause[FAILURE_MESSAGE_MAX];
    memcpy(cause, r->last_failure.message, sizeof cause);
    time_format_utc(r->refresh.expires_wall_ms / 1000, expired);
    struct buf m = BUF(r->last_failure.message);
    buf_fmt(&m, "the last credentials expired at %s, and no newer ones could be had: ", expired);
    buf_printable(&m, cause, strlen(cause), sizeof cause - 128);
}

static void withdraw(struct refresher *r) {
    char expired[TIME_UTC_MAX];
    time_format_utc(r->refresh.expires_wall_ms / 1000, expired);
    if (r->last_failure.reason == REASON_OK) { /* the first fetch that could have failed is still under way */
        struct buf pending = failure_begin(&r->last_failure, source_silence(r->source));
        buf_str(&pending, "the fetch under way has not been answered yet");
    }
    name_end(r);
    r->serving = false;
    metrics_serving(r->number, 0, 0);
    answers_publish(r->number, NULL, 0, &r->last_failure, r->last_failure.message);
    LOG(LOG_ERROR, "credentials expired", LOG_TEXT("expired", expired),
        LOG_TEXT("reason", reason_name(r->last_failure.reason)), profile_field(r));
}

static void drive(struct refresher *r, const struct refresh_event *event);

static void publish(struct refresher *r, const struct credentials *c) {
    struct buf problem = BUF(r->sinks_problem);
    bool written = sinks_write(r->profile, c, &problem);
    if (sinks_wanted(r->profile))
        metrics_files(written);
    if (written)
        log_mended(&r->sinks_failing, "files are written again");
    else
        log_failing(&r->sinks_failing, LOG_ERROR, "cannot write a credentials file", r->sinks_problem,
                    r->sinks_problem);
    r->serving = true;
    int64_t now_ms = clock_now().wall_ms;
    metrics_serving(r->number, now_ms, c->expires_ms);
    answers_publish(r->number, c, now_ms / 1000, &r->last_failure,
                    r->sinks_problem[0] != '\0' ? r->sinks_problem : NULL);
}

static void log_refresh(const struct refresher *r, const struct fetch_outcome *outcome, int64_t expires_ms,
                        const char *id) {
    char expires[TIME_UTC_MAX], next[TIME_DURATION_MAX];
    time_format_utc(expires_ms / 1000, expires);
    time_format_rough(r->refresh.next_mono_ms - clock_now().mono_ms, next);
    LOG(LOG_INFO, "credentials refreshed", LOG_TEXT("access_key_id", id), LOG_TEXT("expires", expires),
        LOG_TEXT("next_in", next), LOG_NUMBER("took_ms", outcome->elapsed_ms), profile_field(r));
}

static void on_success(struct refresher *r, const struct fetch_outcome *outcome) {
    char id[CREDENTIALS_SHORT_ID_MAX];
    int64_t expires_ms = outcome->credentials->expires_ms;
    credentials_short_id(outcome->credentials, id);
    log_mended(&r->fetch_failing, "refreshing works again");
    publish(r, outcome->credentials);
    memset(&r->last_failure, 0, sizeof r->last_failure);
    drive(r, &(struct refresh_event){.kind = REFRESH_FETCHED, .expires_wall_ms = expires_ms});
    log_refresh(r, outcome, expires_ms, id);
    notify_refreshed(config);
}

static void on_failure(struct refresher *r, const struct failure *failure) {
    r->last_failure = *failure;
    log_failing(&r->fetch_failing, LOG_WARN, "refresh failed", reason_name(failure->reason),
                failure->message);
    drive(r, &(struct refresh_event){.kind = REFRESH_FAILED, .retry_after_ms = failure->retry_after_ms});
    if (r->serving)
        return;
    r->last_failure = *failure;
    if (r->refresh.state == REFRESH_EXPIRED)
        name_end(r);
    answers_publish(r->number, NULL, 0, &r->last_failure, r->last_failure.message);
}

static void on_fetched(void *context, const struct fetch_outcome *outcome) {
    metrics_refreshed(outcome->reason, outcome->elapsed_ms);
    if (outcome->reason == REASON_OK)
        on_success(context, outcome);
    else
        on_failure(context, outcome->failure);
}

/* clock_now() and not the loop's moment: a round may have taken long, and a fetch that ends within it must
 * not seem to have been granted before it was asked for. */
static void drive(struct refresher *r, const struct refresh_event *event) {
    struct moment now = clock_now();
    enum refresh_action action = refresh_step(&r->refresh, event, now);
    r->timer.deadline_ms = r->refresh.deadline_mono_ms;
    if (r->serving && !refresh_usable(&r->refresh, now))
        withdraw(r);
    if (action == REFRESH_FETCH)
        fetch_start(&r->fetch, r->source, 0, on_fetched, r);
}

static void on_timer(struct loop_timer *t) {
    drive(OWNER(t, struct refresher, timer), &(struct refresh_event){.kind = REFRESH_TICK});
}

/* In the stead of what answers_open() said: which server it is that has not answered yet. */
static void publish_starting(const struct refresher *r) {
    struct failure starting;
    struct buf m = failure_begin(&starting, source_silence(r->source));
    buf_str(&m, "the first fetch has not ended yet");
    answers_publish(r->number, NULL, 0, &starting, starting.message);
}

void refresher_open(const struct config *given, struct source *sources) {
    uint64_t seed = 0;
    config = given;
    /* Without entropy the jitter is the same in every pod: worse, and no reason not to serve. */
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = (uint64_t)clock_now().wall_ms;
    for (size_t i = 0; i < config->profile_count; i++) {
        struct refresher *r = &refreshers[i];
        r->number = i;
        r->profile = &config->profiles[i];
        r->source = &sources[i];
        sinks_open(r->profile);
        publish_starting(r);
        refresh_init(&r->refresh, seed + i, clock_now());
        r->timer = (struct loop_timer){.deadline_ms = r->refresh.deadline_mono_ms, .expired = on_timer};
        loop_add_timer(&r->timer);
    }
}

void refresher_event(enum refresh_event_kind kind) {
    for (size_t i = 0; i < config->profile_count && !stopped; i++) {
        if (kind == REFRESH_REQUESTED)
            source_renew(refreshers[i].source);
        drive(&refreshers[i], &(struct refresh_event){.kind = kind});
    }
}

void refresher_check(void) {
    for (size_t i = 0; i < config->profile_count; i++) {
        if (refreshers[i].serving && !refresh_usable(&refreshers[i].refresh, loop_now()))
            withdraw(&refreshers[i]);
    }
}

void refresher_stop(void) {
    stopped = true;
    for (size_t i = 0; config != NULL && i < config->profile_count; i++) {
        refreshers[i].timer.deadline_ms = CLOCK_NEVER;
        fetch_cancel(&refreshers[i].fetch);
        source_wipe(refreshers[i].source);
    }
}
