#include "init/identity_checks.h"

#include <string.h>
#include <time.h>

#include "common/aws/identity_expect.h"

#define RETRY_MS 1000

static bool passing(enum reason reason) {
    return reason == REASON_AWS_UNREACHABLE || reason == REASON_TLS_FAILED || reason == REASON_THROTTLED;
}

/* Again until the wait that is left is over, where waiting can help. */
static enum reason ask(struct run *run, const struct endpoint *sts, struct sts_identity *out, int64_t *skew_s,
                       struct failure *f) {
    int64_t end_ms = clock_now().mono_ms + run->config->wait_ms - run->fetched.waited_ms;
    for (;;) {
        enum reason reason =
            identity_ask(sts, source_credentials(&run->source), &run->identity, out, skew_s, f);
        if (!passing(reason) || clock_now().mono_ms + RETRY_MS > end_ms)
            return reason;
        struct timespec pause = {.tv_sec = RETRY_MS / 1000};
        (void)nanosleep(&pause, NULL);
    }
}

enum check_status check_identity_caller(struct run *run, struct failure *finding) {
    static struct endpoint sts;
    static struct sts_identity who;
    const struct config *c = run->config;
    int64_t skew_s;
    if (c->verify != VERIFY_IDENTITY)
        return check_skipped(finding, "not asked for (--verify=identity)");
    enum reason reason = endpoint_find(ENDPOINT_STS, c->source.region, run->lookup, &sts, finding);
    if (reason == REASON_OK)
        reason = ask(run, &sts, &who, &skew_s, finding);
    source_wipe_result(&run->source);
    if (reason != REASON_OK)
        return CHECK_FAIL;
    if (identity_expect(&who, source_text(c->source.expect_account), source_text(c->source.expect_role),
                        finding) != REASON_OK)
        return CHECK_FAIL;
    char role[STS_SESSION_NAME_MAX + 1], session[STS_SESSION_NAME_MAX + 1];
    struct buf m = failure_begin(finding, REASON_OK);
    buf_fmt(&m, "account %s, ", who.account);
    if (sts_role_of(who.arn, role, session)) {
        buf_str(&m, "role ");
        check_quote(&m, role);
        buf_str(&m, ", session ");
        check_quote(&m, session);
    } else {
        check_quote(&m, who.arn);
    }
    if (skew_s != 0)
        buf_fmt(&m, "; signed by the clock of STS, which is %lld s %s this container's",
                (long long)(skew_s < 0 ? -skew_s : skew_s), skew_s > 0 ? "ahead of" : "behind");
    return CHECK_PASS;
}
