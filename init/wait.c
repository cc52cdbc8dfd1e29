#include "init/wait.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/fetch.h"
#include "common/log.h"
#include "common/timefmt.h"

#define AGENT_REMEDY                                                                                         \
    "lower --min-ttl, or look at the agent's log (kubectl -n kube-system logs ds/eks-pod-identity-agent): "  \
    "it "                                                                                                    \
    "hands out what it has left while it cannot renew"

/* ---- the policy ---- */

enum outcome {
    OUTCOME_FINAL,    /* waiting cannot help */
    OUTCOME_SILENCE,  /* nobody answered: cheap to ask again */
    OUTCOME_DENIAL,   /* an answer that ends the wait if it is repeated long enough */
    OUTCOME_TRANSIENT /* anything else */
};

static enum outcome judge(const struct wait_attempt *a) {
    const struct failure *f = a->failure;
    if (f->permanent)
        return OUTCOME_FINAL;
    switch (f->reason) {
    case REASON_AGENT_UNREACHABLE:
        return OUTCOME_SILENCE;
    case REASON_ACCESS_DENIED:
        return OUTCOME_DENIAL;
    case REASON_TOKEN_INVALID: /* if it is our own verdict: as if it could not be read */
        return a->answered ? OUTCOME_DENIAL : OUTCOME_TRANSIENT;
    case REASON_TOKEN_UNREADABLE: /* the kubelet may be about to replace it */
    case REASON_THROTTLED:
    case REASON_BAD_RESPONSE:
        return OUTCOME_TRANSIENT;
    default:
        return OUTCOME_FINAL;
    }
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Up to a fifth less, so that the pods of a node that came up together do not ask together. */
static int64_t jittered(int64_t ms, uint32_t random) {
    return ms - ms * (int64_t)(random % 1000) / 5000;
}

static int64_t next_delay(struct wait_policy *p, const struct wait_attempt *a, enum outcome outcome,
                          uint32_t random) {
    if (outcome == OUTCOME_SILENCE) {
        int64_t left = a->began_ms + jittered(WAIT_POLL_MS, random) - a->ended_ms;
        p->backoff_ms = 0;
        return left > 0 ? left : 0;
    }
    p->backoff_ms = p->backoff_ms == 0 ? WAIT_BACKOFF_MS : least(2 * p->backoff_ms, WAIT_BACKOFF_MAX_MS);
    int64_t delay = jittered(p->backoff_ms, random);
    return delay > a->failure->retry_after_ms ? delay : a->failure->retry_after_ms;
}

int64_t wait_next(struct wait_policy *p, const struct wait_attempt *a, uint32_t random) {
    enum outcome outcome = judge(a);
    int64_t now_ms = a->ended_ms;
    if (outcome == OUTCOME_FINAL || now_ms >= p->deadline_ms)
        return WAIT_OVER;
    int64_t latest_ms = p->deadline_ms;
    if (outcome != OUTCOME_DENIAL) {
        p->denied_since_ms = CLOCK_NEVER;
    } else {
        if (p->denied_since_ms == CLOCK_NEVER)
            p->denied_since_ms = now_ms > p->token_valid_ms ? now_ms : p->token_valid_ms;
        if (now_ms - p->denied_since_ms >= WAIT_DENIED_FOR_MS)
            return WAIT_OVER;
        int64_t turn_ms =
            now_ms < p->token_valid_ms ? p->token_valid_ms : p->denied_since_ms + WAIT_DENIED_FOR_MS;
        latest_ms = least(latest_ms, turn_ms); /* there, and not somewhat later, the answer decides */
    }
    return least(next_delay(p, a, outcome, random), latest_ms - now_ms);
}

/* ---- the attempts ---- */

struct on_wire {
    const struct wait_request *request;
    struct wait_result *result;
};

static void too_short(const struct credentials *c, int64_t left_ms, int64_t min_ttl_ms, struct failure *f) {
    char at[TIME_UTC_MAX], left[TIME_DURATION_MAX], wanted[TIME_DURATION_MAX];
    time_format_utc(c->expires_ms / 1000, at);
    time_format_rough(left_ms, left);
    time_format_duration(min_ttl_ms, wanted);
    struct buf m = failure_begin(f, REASON_BAD_RESPONSE);
    f->cause = "min-ttl";
    buf_fmt(&m, "the agent's credentials expire at %s, in %s, and --min-ttl asks for %s", at, left, wanted);
    failure_remedy(f, "%s", AGENT_REMEDY);
}

static void on_done(void *context, const struct fetch_outcome *outcome) {
    const struct on_wire *a = context;
    struct wait_result *r = a->result;
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
    int64_t left_ms = c->expires_ms - clock_now().wall_ms;
    if (left_ms < a->request->min_ttl_ms)
        too_short(c, left_ms, a->request->min_ttl_ms, &r->failure);
    else
        failure_begin(&r->failure, REASON_OK);
}

static void try_once(const struct wait_request *request, int64_t deadline_ms, struct wait_result *out) {
    static struct fetch fetch; /* large, and zeroed */
    struct on_wire attempt = {.request = request, .result = out};
    int64_t timeout_ms = 0; /* the source's own */
    if (request->wait_ms > 0) {
        fetch.connect_timeout_ms = WAIT_CONNECT_MS;
        timeout_ms = deadline_ms - clock_now().mono_ms;
        if (timeout_ms < WAIT_ATTEMPT_MIN_MS)
            timeout_ms = WAIT_ATTEMPT_MIN_MS;
    }
    out->attempts++;
    fetch_start(&fetch, request->source, timeout_ms, on_done, &attempt);
    fetch_wait(&fetch);
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

static void swap_address(struct source *source, struct uri *other) {
    static struct uri kept;
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
    static struct uri other;
    struct told told = {REASON_OK, ""};
    memset(out, 0, sizeof *out);
    if (request->alternate != NULL)
        uri_copy(request->alternate, &other);
    for (;;) {
        int64_t began_ms = clock_now().mono_ms;
        try_once(request, policy.deadline_ms, out);
        int64_t now_ms = clock_now().mono_ms;
        out->waited_ms = now_ms - start.mono_ms;
        if (out->failure.reason == REASON_OK)
            break;
        const struct wait_attempt attempt = {&out->failure, out->answered, began_ms, now_ms};
        int64_t delay_ms = wait_next(&policy, &attempt, random_number());
        if (delay_ms == WAIT_OVER)
            break;
        tell_progress(&out->failure, &told, policy.deadline_ms - now_ms);
        if (request->alternate != NULL && !out->answered)
            swap_address(request->source, &other);
        sleep_until(now_ms + delay_ms);
    }
    if (told.reason != REASON_OK && out->failure.reason == REASON_OK)
        LOG(LOG_INFO, "credentials received", LOG_NUMBER("attempts", out->attempts),
            LOG_NUMBER("waited_ms", out->waited_ms));
}
