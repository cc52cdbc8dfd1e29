#include "sidecar/refresher.h"

#include <string.h>
#include <sys/random.h>

#include "common/base/docs.h"
#include "common/base/far.h"
#include "common/base/owner.h"
#include "common/base/timefmt.h"
#include "common/serve/loop.h"
#include "common/source/fetch.h"
#include "sidecar/answers.h"
#include "sidecar/metrics.h"
#include "sidecar/notify.h"
#include "sidecar/sinks.h"
#include "sidecar/tokens.h"

/* One profile's. */
struct refresher {
    struct loop_timer timer;
    size_t number;
    const struct config_profile *profile;
    struct source *source;
    struct refresh refresh;
    bool serving;                   /* the pages hold credentials */
    bool passed;                    /* they had ended when they came (--expired=pass) */
    int64_t expires_ms, fetched_ms; /* of what is or was served: as it says itself; wall time */
    unsigned unwritten;             /* files that could not be written, of sinks.h */
    int64_t write_again_mono_ms, write_delay_ms;
    int64_t renew_mono_ms; /* when the files with tokens are written anew */
    struct failure last_failure;
    struct log_repeat fetch_failing, sinks_failing;
    char sinks_problem[SINKS_PROBLEM_MAX]; /* "" if all files are written */
    struct credentials kept;               /* for the files that are not written yet; else empty */
    struct fetch fetch;
};

#define WRITE_AGAIN_MIN_MS 1000  /* after a file could not be written… */
#define WRITE_AGAIN_MAX_MS 60000 /* …doubling up to this */

static const struct config *config;
FAR_BY_ADDRESS static struct refresher refreshers[CONFIG_PROFILES_MAX];
static bool stopped;

static struct refresher *refresher_at(size_t i) {
    return *FAR_ADDRESS(refreshers) + i;
}

/* In the log, where there are several. */
static struct log_field profile_field(const struct refresher *r) {
    return config->profile_count > 1 ? LOG_TEXT("profile", r->profile->name) : LOG_END;
}

/* Puts into last_failure, in front of its cause, that what there was has ended. */
static void name_end(struct refresher *r) {
    char expired[TIME_UTC_MAX], cause[FAILURE_MESSAGE_MAX];
    memcpy(cause, r->last_failure.message, sizeof cause);
    time_format_utc(r->expires_ms / 1000, expired);
    struct buf m = BUF(r->last_failure.message);
    buf_fmt(&m, "the last credentials expired at %s, and no newer ones could be had: ", expired);
    buf_printable(&m, cause, strlen(cause), sizeof cause - 128);
}

static void forget_kept(struct refresher *r) {
    r->unwritten = 0;
    credentials_wipe(&r->kept);
}

static void withdraw(struct refresher *r) {
    char expired[TIME_UTC_MAX];
    time_format_utc(r->expires_ms / 1000, expired);
    if (r->last_failure.reason == REASON_OK) { /* the first fetch that could have failed is still under way */
        struct buf pending = failure_begin(&r->last_failure, source_silence(r->source));
        buf_str(&pending, "the fetch under way has not been answered yet");
    }
    name_end(r);
    r->serving = false;
    r->renew_mono_ms = CLOCK_NEVER;
    tokens_forget(r->number);
    forget_kept(r);
    metrics_serving(r->number, 0, 0);
    answers_publish(r->number, NULL, 0, NULL, &r->last_failure, r->last_failure.message);
    LOG(LOG_ERROR, "credentials expired", LOG_TEXT("expired", expired),
        LOG_TEXT("reason", reason_name(r->last_failure.reason)), profile_field(r));
}

static void drive(struct refresher *r, const struct refresh_event *event);

static void set_timer(struct refresher *r) {
    r->timer.deadline_ms = r->refresh.deadline_mono_ms;
    if (r->unwritten != 0 && r->write_again_mono_ms < r->timer.deadline_ms)
        r->timer.deadline_ms = r->write_again_mono_ms;
    if (r->renew_mono_ms < r->timer.deadline_ms)
        r->timer.deadline_ms = r->renew_mono_ms;
}

/* Writes those of the files. What fails is tried again, from memory. */
static void write_files(struct refresher *r, unsigned files, const struct credentials *c) {
    struct buf problem = BUF(r->sinks_problem);
    if (files == 0)
        return;
    r->unwritten = sinks_write(r->profile, files, c, &problem);
    metrics_files(r->unwritten == 0);
    if (r->unwritten == 0) {
        log_mended(&r->sinks_failing, "files are written again");
        return;
    }
    log_failing(&r->sinks_failing, LOG_ERROR, "cannot write a credentials file: it is tried again",
                r->sinks_problem, r->sinks_problem);
    if (c != &r->kept)
        credentials_copy(c, &r->kept);
    r->write_again_mono_ms = clock_now().mono_ms + r->write_delay_ms;
    r->write_delay_ms *= 2;
    if (r->write_delay_ms > WRITE_AGAIN_MAX_MS)
        r->write_delay_ms = WRITE_AGAIN_MAX_MS;
}

static void plan_renewal(struct refresher *r, const struct credentials *c) {
    int64_t keep_ms = sinks_tokens_keep_ms(r->profile, c);
    r->renew_mono_ms = keep_ms == CLOCK_NEVER ? CLOCK_NEVER : clock_now().mono_ms + keep_ms;
}

static void show(const struct refresher *r, const struct credentials *c, const struct identity *identity) {
    answers_publish(r->number, c, r->fetched_ms / 1000, identity, &r->last_failure,
                    r->unwritten != 0 ? r->sinks_problem : NULL);
}

static void publish(struct refresher *r, const struct fetch_outcome *outcome) {
    const struct credentials *c = outcome->credentials;
    const struct identity identity = {r->profile->name, source_name(r->source->kind),
                                      source_identity(r->source)};
    r->fetched_ms = clock_now().wall_ms;
    r->expires_ms = c->expires_ms;
    r->passed = outcome->ends_wall_ms <= r->fetched_ms;
    r->write_delay_ms = WRITE_AGAIN_MIN_MS;
    forget_kept(r);
    tokens_forget(r->number);
    write_files(r, sinks_wanted(r->profile), c);
    plan_renewal(r, c);
    r->serving = true;
    metrics_serving(r->number, r->fetched_ms, outcome->ends_wall_ms);
    show(r, c, &identity);
    if (r->passed && r->profile->source.pass_expired)
        LOG(LOG_WARN, "the credentials have expired, and are passed on (--expired=pass)", profile_field(r));
}

static void write_again(struct refresher *r) {
    unsigned before = r->unwritten;
    write_files(r, before, &r->kept);
    if (r->unwritten != before)
        show(r, &r->kept, NULL);
    if (r->unwritten != 0)
        return;
    forget_kept(r);
    notify_refreshed(config);
}

/* From what is served: nothing else keeps the keys. What could not be written before is tried along with it.
 */
static void renew_tokens(struct refresher *r) {
    unsigned before = r->unwritten;
    if (before == 0)
        answers_credentials(r->number, &r->kept);
    r->write_delay_ms = WRITE_AGAIN_MIN_MS;
    write_files(r, before | (sinks_wanted(r->profile) & SINKS_TOKENS), &r->kept);
    plan_renewal(r, &r->kept);
    if (r->unwritten != before)
        show(r, &r->kept, NULL);
    if (r->unwritten == 0)
        forget_kept(r);
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
    publish(r, outcome);
    memset(&r->last_failure, 0, sizeof r->last_failure);
    drive(r, &(struct refresh_event){.kind = REFRESH_FETCHED, .expires_wall_ms = outcome->ends_wall_ms});
    log_refresh(r, outcome, expires_ms, id);
    notify_refreshed(config);
}

/* A wish does not override what the server asked for. */
static void log_wait(const struct refresher *r) {
    char wait[TIME_DURATION_MAX];
    int64_t wait_ms = r->refresh.not_before_mono_ms - clock_now().mono_ms;
    if (wait_ms <= 0 || r->refresh.in_flight)
        return;
    time_format_rough(wait_ms, wait);
    LOG(LOG_INFO, "the refresh waits: the server asked for that (Retry-After)", LOG_TEXT("wait", wait),
        profile_field(r));
}

/* What a failure is logged as. */
static const char *told(const struct failure *failure) {
#ifdef DOCS_URL
    static char text[FAILURE_MESSAGE_MAX + DOCS_SEE_MAX];
    struct buf b = BUF(text);
    buf_str(&b, failure->message);
    docs_see(&b, reason_name(failure->reason));
    return text;
#else
    return failure->message;
#endif
}

static void on_failure(struct refresher *r, const struct failure *failure) {
    bool rotated = r->refresh.rotated_in_flight;
    r->last_failure = *failure;
    log_failing(&r->fetch_failing, LOG_WARN, "refresh failed", reason_name(failure->reason), told(failure));
    drive(r, &(struct refresh_event){.kind = REFRESH_FAILED, .retry_after_ms = failure->retry_after_ms});
    if (rotated)
        log_wait(r);
    if (r->serving)
        return;
    r->last_failure = *failure;
    if (r->refresh.state == REFRESH_EXPIRED)
        name_end(r);
    answers_publish(r->number, NULL, 0, NULL, &r->last_failure, r->last_failure.message);
}

static void on_fetched(void *context, const struct fetch_outcome *outcome) {
    metrics_refreshed(outcome->reason, outcome->elapsed_ms);
    if (outcome->reason == REASON_OK)
        on_success(context, outcome);
    else
        on_failure(context, outcome->failure);
}

/* With --expired=pass: what upstream hands out though it has ended stays until it hands out better, or denies
 * any; what has ended here stays until upstream was asked once more. */
static bool passing(const struct refresher *r) {
    enum reason reason = r->last_failure.reason;
    return r->profile->source.pass_expired &&
           (reason == REASON_OK || (r->passed && reason != REASON_ACCESS_DENIED));
}

static bool over(const struct refresher *r, struct moment now) {
    return r->serving && !refresh_usable(&r->refresh, now) && !passing(r);
}

/* clock_now() and not the loop's moment: a round may have taken long, and a fetch that ends within it must
 * not seem to have been granted before it was asked for. */
static void drive(struct refresher *r, const struct refresh_event *event) {
    struct moment now = clock_now();
    enum refresh_action action = refresh_step(&r->refresh, event, now);
    if (over(r, now))
        withdraw(r);
    set_timer(r);
    if (action == REFRESH_FETCH)
        fetch_start(&r->fetch, r->source, 0, on_fetched, r);
}

static void on_timer(struct loop_timer *t) {
    struct refresher *r = OWNER(t, struct refresher, timer);
    if (r->unwritten != 0 && clock_now().mono_ms >= r->write_again_mono_ms)
        write_again(r);
    if (clock_now().mono_ms >= r->renew_mono_ms)
        renew_tokens(r);
    drive(r, &(struct refresh_event){.kind = REFRESH_TICK});
}

/* In the stead of what answers_open() said: which server it is that has not answered yet. */
static void publish_starting(const struct refresher *r) {
    struct failure starting;
    struct buf m = failure_begin(&starting, source_silence(r->source));
    buf_str(&m, "the first fetch has not ended yet");
    answers_publish(r->number, NULL, 0, NULL, &starting, starting.message);
}

void refresher_open(const struct config *given, struct source *sources) {
    uint64_t seed = 0;
    config = given;
    /* Without entropy the jitter is the same in every pod: worse, and no reason not to serve. */
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = (uint64_t)clock_now().wall_ms;
    for (size_t i = 0; i < config->profile_count; i++) {
        struct refresher *r = refresher_at(i);
        r->number = i;
        r->profile = &config->profiles[i];
        r->source = &sources[i];
        sinks_open(r->profile);
        publish_starting(r);
        refresh_init(&r->refresh, seed + i, clock_now());
        r->renew_mono_ms = CLOCK_NEVER;
        r->timer = (struct loop_timer){.deadline_ms = r->refresh.deadline_mono_ms, .expired = on_timer};
        loop_add_timer(&r->timer);
    }
}

void refresher_event(enum refresh_event_kind kind) {
    for (size_t i = 0; i < config->profile_count && !stopped; i++) {
        if (kind == REFRESH_CLOCK_JUMPED) { /* what was signed has another time */
            tokens_forget(i);
            if (refresher_at(i)->renew_mono_ms != CLOCK_NEVER)
                refresher_at(i)->renew_mono_ms = 0;
        }
        if (kind == REFRESH_REQUESTED)
            source_renew(refresher_at(i)->source);
        drive(refresher_at(i), &(struct refresh_event){.kind = kind});
        if (kind != REFRESH_CLOCK_JUMPED)
            log_wait(refresher_at(i));
    }
}

/* clock_now(): the round may have taken long before it comes to this request. */
void refresher_check(void) {
    struct moment now = clock_now();
    for (size_t i = 0; i < config->profile_count; i++) {
        if (over(refresher_at(i), now))
            withdraw(refresher_at(i));
    }
}

void refresher_stop(void) {
    stopped = true;
    for (size_t i = 0; config != NULL && i < config->profile_count; i++) {
        refresher_at(i)->timer.deadline_ms = CLOCK_NEVER;
        fetch_cancel(&refresher_at(i)->fetch);
        forget_kept(refresher_at(i));
        source_wipe(refresher_at(i)->source);
        refresher_at(i)->renew_mono_ms = CLOCK_NEVER;
    }
}
