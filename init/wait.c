#include "init/wait.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/base/log.h"
#include "common/base/timefmt.h"

#define AGENT_REMEDY                                                                                         \
    "lower --min-ttl, or look at the agent's log (kubectl -n kube-system logs ds/eks-pod-identity-agent): "  \
    "it "                                                                                                    \
    "hands out what it has left while it cannot renew"

/* An attempt. Its failure is the result's, too, if the verdict takes it. */
struct on_wire {
    const struct wait_request *request;
    struct wait_result *result;
    const struct failure *failure;
    bool answered;
};

static void too_short(const struct credentials *c, int64_t left_ms, int64_t min_ttl_ms, struct failure *f) {
    char at[TIME_UTC_MAX], left[TIME_DURATION_MAX], wanted[TIME_DURATION_MAX];
    time_format_utc(c->expires_ms / 1000, at);
    time_format_rough(left_ms, left);
    time_format_duration(min_ttl_ms, wanted);
    struct buf m = failure_begin(f, REASON_BAD_RESPONSE);
    f->cause = "min-ttl";
    buf_fmt(&m, "the credentials expire at %s, in %s, and --min-ttl asks for %s", at, left, wanted);
    failure_remedy(f, "%s", AGENT_REMEDY);
}

static void on_done(void *context, const struct fetch_outcome *outcome) {
    struct on_wire *a = context;
    struct wait_result *r = a->result;
    a->failure = outcome->reason == REASON_OK ? &r->failure : outcome->failure;
    a->answered = outcome->answered;
    if (!verdict_takes(&r->verdict, outcome, clock_now().mono_ms))
        return;
    r->answer_ms = outcome->elapsed_ms;
    r->has_credentials = outcome->reason == REASON_OK;
    r->answered = outcome->answered;
    if (outcome->date_s != 0) {
        r->date_s = outcome->date_s;
        r->date_wall_ms = clock_now().wall_ms;
    }
    if (outcome->reason != REASON_OK) {
        r->failure = *outcome->failure;
        return;
    }
    const struct credentials *c = outcome->credentials;
    r->expires_ms = c->expires_ms;
    memcpy(r->account_id, c->account_id, sizeof r->account_id);
    credentials_short_id(c, r->short_key_id);
    r->ends_wall_ms = outcome->ends_wall_ms;
    int64_t left_ms = outcome->ends_wall_ms - clock_now().wall_ms;
    bool passed = left_ms <= 0 && a->request->source->options->pass_expired;
    if (left_ms < a->request->min_ttl_ms && !passed)
        too_short(c, left_ms, a->request->min_ttl_ms, &r->failure);
    else
        failure_begin(&r->failure, REASON_OK);
}

static void try_once(struct on_wire *attempt, int64_t deadline_ms) {
    const struct wait_request *request = attempt->request;
    struct fetch *fetch = request->fetch;
    int64_t timeout_ms = 0; /* the source's own */
    if (request->wait_ms > 0) {
        fetch->connect_timeout_ms = WAIT_CONNECT_MS;
        timeout_ms = deadline_ms - clock_now().mono_ms;
        if (timeout_ms < WAIT_ATTEMPT_MIN_MS)
            timeout_ms = WAIT_ATTEMPT_MIN_MS;
    }
    attempt->result->attempts++;
    fetch->keep_result = request->keep_result;
    fetch_start(fetch, request->source, timeout_ms, on_done, attempt);
    fetch_wait(fetch);
}

static void sleep_until(int64_t mono_ms) {
    enum { SLICE_MS = 60000 };
    for (int64_t left; (left = clock_until(mono_ms, clock_now().mono_ms, SLICE_MS)) > 0;) {
        struct timespec span = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
        (void)nanosleep(&span, NULL); /* cut short by a signal: the loop sleeps the rest */
    }
}

/* Jitter without randomness is only a little less polite. */
static uint32_t random_number(void) {
    uint32_t n = 0;
    if (getrandom(&n, sizeof n, GRND_NONBLOCK) != (ssize_t)sizeof n)
        n = (uint32_t)clock_now().mono_ms;
    return n;
}

/* What was said last. */
struct told {
    enum reason reason; /* REASON_OK: nothing yet */
    const char *cause;
};

static void tell_progress(const struct failure *f, struct told *told, int64_t left_ms) {
    const char *cause = f->cause != NULL ? f->cause : "";
    if (f->reason == told->reason && strcmp(cause, told->cause) == 0)
        return;
    *told = (struct told){f->reason, cause};
    LOG(LOG_INFO, "waiting", LOG_TEXT("reason", reason_name(f->reason)), LOG_TEXT("cause", cause),
        LOG_TEXT("detail", f->message), LOG_NUMBER("left_ms", left_ms));
}

/* What the other one says counts by itself. */
static void swap_address(struct source *source, struct uri *other, struct verdict *verdict) {
    struct uri kept;
    *verdict = (struct verdict){0};
    uri_copy(&source->injection.uri, &kept);
    uri_copy(other, &source->injection.uri);
    uri_copy(&kept, other);
}

void wait_for_credentials(const struct wait_request *request, struct wait_result *out) {
    struct moment start = clock_now();
    struct wait_policy policy = {
        .deadline_ms = start.mono_ms + request->wait_ms,
        .token_valid_ms = start.mono_ms,
        .denied_since_ms = CLOCK_NEVER,
    };
    if (request->not_before_s > start.wall_ms / 1000)
        policy.token_valid_ms += request->not_before_s * 1000 - start.wall_ms;
    struct told told = {REASON_OK, ""};
    struct on_wire wire = {.request = request, .result = out};
    memset(out, 0, sizeof *out);
    for (;;) {
        int64_t began_ms = clock_now().mono_ms;
        try_once(&wire, policy.deadline_ms);
        int64_t now_ms = clock_now().mono_ms;
        out->waited_ms = now_ms - start.mono_ms;
        if (wire.failure->reason == REASON_OK)
            break;
        const struct wait_attempt attempt = {wire.failure, wire.answered, began_ms, now_ms};
        int64_t delay_ms = wait_next(&policy, &attempt, random_number());
        if (delay_ms == WAIT_OVER)
            break;
        tell_progress(wire.failure, &told, policy.deadline_ms - now_ms);
        if (request->alternate != NULL && !out->answered)
            swap_address(request->source, request->alternate, &out->verdict);
        sleep_until(now_ms + delay_ms);
    }
    if (told.reason != REASON_OK && out->failure.reason == REASON_OK)
        LOG(LOG_INFO, "credentials received", LOG_NUMBER("attempts", out->attempts),
            LOG_NUMBER("waited_ms", out->waited_ms));
}
