/* The way to the agent, and what it hands out. The first check makes the attempts, the others read their
 * result. */
#include <string.h>

#include "common/clock.h"
#include "common/http.h"
#include "common/timefmt.h"
#include "init/checks.h"

#define NO_NETWORK "not asked for (--verify=injection)"

static bool wanted(const struct run *run) {
    return run->config->verify == VERIFY_CREDENTIALS;
}

/* "in 60s", "in 0.3s" */
static void put_span(struct buf *m, int64_t ms) {
    if (ms >= 1000)
        buf_fmt(m, "%llds", (long long)(ms + 500) / 1000);
    else
        buf_fmt(m, "%lldms", (long long)ms);
}

/* The failure of the last attempt, with how many there were. */
static enum check_status failed(const struct run *run, struct failure *finding) {
    const struct wait_result *r = &run->fetched;
    *finding = r->failure;
    if (run->config->wait_ms > 0) {
        struct buf m = buf_over(finding->message, sizeof finding->message);
        m.len = strlen(r->failure.message);
        memcpy(finding->message, r->failure.message, m.len + 1);
        buf_fmt(&m, ", after %u attempt%s in ", r->attempts, r->attempts == 1 ? "" : "s");
        put_span(&m, r->waited_ms);
    }
    return CHECK_FAIL;
}

static enum check_status no_client(struct failure *finding) {
    struct buf m = failure_begin(finding, REASON_INTERNAL);
    buf_str(&m, "cannot set up the HTTP client: out of memory");
    failure_remedy(finding, "raise the container's memory limit");
    return CHECK_FAIL;
}

enum check_status check_agent_reachable(struct run *run, struct failure *finding) {
    struct wait_result *r = &run->fetched;
    if (!wanted(run))
        return check_skipped(finding, NO_NETWORK);
    if (http_open(NULL) != ERR_OK)
        return no_client(finding);
    const struct wait_request request = {
        .source = &run->source,
        .wait_ms = run->config->wait_ms,
        .min_ttl_ms = run->config->min_ttl_ms,
        .not_before_s = run->claims.has_not_before ? run->claims.not_before_s : 0,
    };
    wait_for_credentials(&request, r);
    http_close();
    if (!r->answered)
        return failed(run, finding);
    struct buf m = failure_begin(finding, REASON_OK);
    check_quote(&m, run->source.injection.uri.text);
    buf_fmt(&m, " answered in %lldms", (long long)r->answer_ms);
    if (r->attempts > 1) {
        buf_fmt(&m, ", at attempt %u after ", r->attempts);
        put_span(&m, r->waited_ms);
    }
    return CHECK_PASS;
}

enum check_status check_agent_credentials(struct run *run, struct failure *finding) {
    if (!wanted(run))
        return check_skipped(finding, NO_NETWORK);
    if (!run->fetched.has_credentials)
        return failed(run, finding);
    return check_passed(finding, "received access key %s", run->fetched.short_key_id);
}

enum check_status check_credentials_lifetime(struct run *run, struct failure *finding) {
    const struct wait_result *r = &run->fetched;
    if (!wanted(run))
        return check_skipped(finding, NO_NETWORK);
    if (r->failure.reason != REASON_OK)
        return failed(run, finding);
    char left[TIME_DURATION_MAX], at[TIME_UTC_MAX], least[TIME_DURATION_MAX];
    time_format_rough(r->expires_ms - clock_now().wall_ms, left);
    time_format_utc(r->expires_ms / 1000, at);
    time_format_duration(run->config->min_ttl_ms, least);
    return check_passed(finding, "valid for %s more, until %s; --min-ttl asks for %s", left, at, least);
}

enum check_status check_credentials_account(struct run *run, struct failure *finding) {
    const char *expected = run->config->expect_account, *found = run->fetched.account_id;
    if (!wanted(run))
        return check_skipped(finding, NO_NETWORK);
    if (expected[0] == '\0') {
        struct buf m = failure_begin(finding, REASON_OK);
        buf_fmt(&m, "account %s; any will do (--expect-account)", found[0] != '\0' ? found : "unknown");
        return CHECK_SKIP;
    }
    if (strcmp(expected, found) == 0)
        return check_passed(finding, "account %s, as expected", found);
    struct buf m = failure_begin(finding, REASON_UNEXPECTED_IDENTITY);
    finding->permanent = true;
    if (found[0] == '\0') {
        buf_fmt(&m, "the agent did not tell the account of its credentials, and --expect-account says %s",
                expected);
        failure_remedy(finding, "update the EKS Pod Identity Agent add-on, or leave out --expect-account");
        return CHECK_WARN;
    }
    buf_fmt(&m, "the credentials are for account %s, and --expect-account says %s", found, expected);
    failure_remedy(finding, "correct the role of this service account's association (aws eks "
                            "list-pod-identity-associations --cluster-name CLUSTER), or --expect-account");
    return CHECK_FAIL;
}
