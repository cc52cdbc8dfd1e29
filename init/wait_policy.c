#include "init/wait_policy.h"

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
    case REASON_AWS_UNREACHABLE:
        return OUTCOME_SILENCE;
    case REASON_ACCESS_DENIED:
        return OUTCOME_DENIAL;
    case REASON_TOKEN_INVALID: /* if it is our own verdict: as if it could not be read */
        return a->answered ? OUTCOME_DENIAL : OUTCOME_TRANSIENT;
    case REASON_TOKEN_UNREADABLE: /* the kubelet may be about to replace it */
    case REASON_THROTTLED:
    case REASON_BAD_RESPONSE:
    case REASON_TLS_FAILED: /* a clock may yet be set, a certificate renewed; each try costs a handshake */
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
