#include "sidecar/refresher.h"

#include <string.h>
#include <sys/random.h>

#include "common/fetch.h"
#include "common/timefmt.h"
#include "sidecar/answers.h"
#include "sidecar/loop.h"
#include "sidecar/metrics.h"
#include "sidecar/notify.h"
#include "sidecar/sinks.h"

static const struct config *config;
static struct source *source;
static struct refresh refresh;
static struct fetch fetch;
static struct loop_timer timer;
static bool serving; /* the pages hold credentials */
static bool stopped;
static struct failure last_failure;
static struct log_repeat fetch_failing, sinks_failing;
static char sinks_problem[SINKS_PROBLEM_MAX]; /* "" if all files are written */

static void withdraw(void) {
    char expired[TIME_UTC_MAX], cause[FAILURE_MESSAGE_MAX];
    memcpy(cause, last_failure.message, sizeof cause);
    time_format_utc(refresh.expires_wall_ms / 1000, expired);
    if (last_failure.reason == REASON_OK) { /* the first fetch that could have failed is still under way */
        struct buf pending = failure_begin(&last_failure, REASON_AGENT_UNREACHABLE);
        buf_str(&pending, "the fetch under way has not been answered yet");
        memcpy(cause, last_failure.message, sizeof cause);
    }
    struct buf m = BUF(last_failure.message);
    buf_fmt(&m, "the last credentials expired at %s, and no newer ones could be had: ", expired);
    buf_printable(&m, cause, strlen(cause), sizeof cause - 128);
    serving = false;
    metrics_serving(0, 0);
    answers_publish(NULL, 0, &last_failure, last_failure.message);
    LOG(LOG_ERROR, "credentials expired", LOG_TEXT("expired", expired),
        LOG_TEXT("reason", reason_name(last_failure.reason)));
}

static void drive(const struct refresh_event *event);

static void publish(const struct credentials *c) {
    struct buf problem = BUF(sinks_problem);
    bool written = sinks_write(config, c, &problem);
    if (sinks_wanted(config))
        metrics_files(written);
    if (written)
        log_mended(&sinks_failing, "files are written again");
    else
        log_failing(&sinks_failing, LOG_ERROR, "cannot write a credentials file", sinks_problem,
                    sinks_problem);
    serving = true;
    int64_t now_ms = clock_now().wall_ms;
    metrics_serving(now_ms, c->expires_ms);
    answers_publish(c, now_ms / 1000, &last_failure, sinks_problem[0] != '\0' ? sinks_problem : NULL);
}

static void log_refresh(const struct fetch_outcome *outcome) {
    char id[CREDENTIALS_SHORT_ID_MAX], expires[TIME_UTC_MAX], next[TIME_DURATION_MAX];
    credentials_short_id(outcome->credentials, id);
    time_format_utc(outcome->credentials->expires_ms / 1000, expires);
    time_format_rough(refresh.next_mono_ms - clock_now().mono_ms, next);
    LOG(LOG_INFO, "credentials refreshed", LOG_TEXT("access_key_id", id), LOG_TEXT("expires", expires),
        LOG_TEXT("next_in", next), LOG_NUMBER("took_ms", outcome->elapsed_ms));
}

static void on_success(const struct fetch_outcome *outcome) {
    log_mended(&fetch_failing, "refreshing works again");
    publish(outcome->credentials);
    memset(&last_failure, 0, sizeof last_failure);
    drive(&(struct refresh_event){.kind = REFRESH_FETCHED,
                                  .expires_wall_ms = outcome->credentials->expires_ms});
    log_refresh(outcome);
    notify_refreshed(config);
}

static void on_failure(const struct failure *failure) {
    last_failure = *failure;
    log_failing(&fetch_failing, LOG_WARN, "refresh failed", reason_name(failure->reason), failure->message);
    drive(&(struct refresh_event){.kind = REFRESH_FAILED, .retry_after_ms = failure->retry_after_ms});
    if (!serving)
        answers_publish(NULL, 0, &last_failure, last_failure.message);
}

static void on_fetched(void *context, const struct fetch_outcome *outcome) {
    (void)context;
    metrics_refreshed(outcome->reason, outcome->elapsed_ms);
    if (outcome->reason == REASON_OK)
        on_success(outcome);
    else
        on_failure(outcome->failure);
}

/* clock_now() and not the loop's moment: a round may have taken long, and a fetch that ends within it must
 * not seem to have been granted before it was asked for. */
static void drive(const struct refresh_event *event) {
    struct moment now = clock_now();
    enum refresh_action action = refresh_step(&refresh, event, now);
    timer.deadline_ms = refresh.deadline_mono_ms;
    if (serving && !refresh_usable(&refresh, now))
        withdraw();
    if (action == REFRESH_FETCH)
        fetch_start(&fetch, source, 0, on_fetched, NULL);
}

static void on_timer(struct loop_timer *t) {
    (void)t;
    drive(&(struct refresh_event){.kind = REFRESH_TICK});
}

void refresher_open(const struct config *given, struct source *from) {
    uint64_t seed = 0;
    config = given;
    source = from;
    /* Without entropy the jitter is the same in every pod: worse, and no reason not to serve. */
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = (uint64_t)clock_now().wall_ms;
    sinks_open(config);
    refresh_init(&refresh, seed, clock_now());
    timer = (struct loop_timer){.deadline_ms = refresh.deadline_mono_ms, .expired = on_timer};
    loop_add_timer(&timer);
}

void refresher_event(enum refresh_event_kind kind) {
    if (!stopped)
        drive(&(struct refresh_event){.kind = kind});
}

void refresher_check(void) {
    if (serving && !refresh_usable(&refresh, loop_now()))
        withdraw();
}

void refresher_stop(void) {
    stopped = true;
    timer.deadline_ms = CLOCK_NEVER;
    fetch_cancel(&fetch);
}
