#include "init/credential_checks.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/timefmt.h"
#include "common/http/http.h"
#include "init/diagnosis.h"

#define NO_NETWORK "not asked for (--verify=injection)"

static bool wanted(const struct run *run) {
    return run->config->verify != VERIFY_INJECTION;
}

/* "in 60s", "in 0.3s" */
static void put_span(struct buf *m, int64_t ms) {
    if (ms >= 1000)
        buf_fmt(m, "%llds", (long long)(ms + 500) / 1000);
    else
        buf_fmt(m, "%lldms", (long long)ms);
}

static enum check_status failed(const struct run *run, struct failure *finding) {
    *finding = run->fetched.failure;
    return CHECK_FAIL;
}

/* How many attempts there were, and what else is known. */
static void extend(struct run *run) {
    struct wait_result *r = &run->fetched;
    if (run->config->wait_ms > 0) {
        struct buf m = failure_more(&r->failure);
        buf_fmt(&m, ", after %u attempt%s in ", r->attempts, r->attempts == 1 ? "" : "s");
        put_span(&m, r->waited_ms);
        verdict_explain(&r->verdict, &r->failure);
    }
    diagnosis_extend(run);
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
    bool agent = run->source.kind == SOURCE_POD_IDENTITY;
    bool in_turn = agent && run->config->try_other_family && run->source.injection.self_injected &&
                   uri_other_family(&run->source.injection.uri, &run->alternate);
    if (http_open(NULL) != ERR_OK)
        return no_client(finding);
    http_trust(source_ca_file(&run->config->source, run->lookup));
    const struct wait_request request = {
        .source = &run->source,
        .fetch = &run->fetch,
        .alternate = in_turn ? &run->alternate : NULL,
        .wait_ms = run->config->wait_ms,
        .min_ttl_ms = run->config->min_ttl_ms,
        .keep_result = run->config->verify == VERIFY_IDENTITY,
        .not_before_s = run->claims.has_not_before ? run->claims.not_before_s : 0,
    };
    wait_for_credentials(&request, r);
    if (r->failure.reason != REASON_OK)
        extend(run);
    else if (agent && run->config->try_other_family)
        (void)diagnosis_other_family(run);
    if (!r->answered)
        return failed(run, finding);
    struct buf m = failure_begin(finding, REASON_OK);
    check_quote_uri(&m, source_upstream(&run->source));
    buf_fmt(&m, " answered in %lldms", (long long)r->answer_ms);
    if (r->attempts > 1) {
        buf_fmt(&m, r->verdict.kept ? ", but not at attempt %u after " : ", at attempt %u after ",
                r->attempts);
        put_span(&m, r->waited_ms);
    }
    if (run->other_family[0] != '\0')
        buf_fmt(&m, "; %s", run->other_family);
    return CHECK_PASS;
}

enum check_status check_agent_clock(struct run *run, struct failure *finding) {
    int64_t skew_s;
    if (!wanted(run))
        return check_skipped(finding, NO_NETWORK);
    if (!diagnosis_skew(&run->fetched, &skew_s))
        return check_skipped(finding, "the answer did not say what time it is (Date)");
    int64_t size_s = skew_s < 0 ? -skew_s : skew_s;
    if (size_s <= DIAGNOSIS_SKEW_TOLERATED_S)
        return check_passed(finding, "the clocks of %s and of this container agree within %lld s",
                            check_server(run), (long long)(size_s + 1));
    char here[TIME_UTC_MAX], there[TIME_UTC_MAX];
    time_format_utc(run->fetched.date_wall_ms / 1000, here);
    time_format_utc(run->fetched.date_s, there);
    struct buf m = failure_begin(finding, REASON_BAD_RESPONSE);
    buf_fmt(&m,
            "this container's clock is %lld s %s that of %s: it says %s, the other %s; AWS refuses "
            "signatures that are more "
            "than 5 minutes off",
            (long long)size_s, skew_s > 0 ? "behind" : "ahead of", check_server(run), here, there);
    failure_remedy(
        finding, "compare both with the real time (chronyc tracking on the node); a sandboxed or virtualised "
                 "container has a clock of its own, which its runtime must set");
    return CHECK_WARN;
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
    int64_t left_ms = r->ends_wall_ms - clock_now().wall_ms;
    time_format_rough(left_ms, left);
    time_format_utc(r->expires_ms / 1000, at);
    if (left_ms <= 0 && run->config->source.pass_expired) {
        struct buf m = failure_begin(finding, REASON_BAD_RESPONSE);
        buf_fmt(&m, "%s hands out credentials that expired at %s; --expired=pass takes them",
                check_server(run), at);
        failure_remedy(finding, "nothing, while AWS's service is out and the agent does so on purpose; "
                                "otherwise leave out --expired");
        return CHECK_WARN;
    }
    time_format_duration(run->config->min_ttl_ms, least);
    return check_passed(finding, "valid for %s more, until %s; --min-ttl asks for %s", left, at, least);
}

enum check_status check_credentials_account(struct run *run, struct failure *finding) {
    const char *expected = source_text(run->config->source.expect_account), *found = run->fetched.account_id;
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
        buf_fmt(&m, "%s did not tell the account of its credentials, and --expect-account says %s",
                check_server(run), expected);
        failure_remedy(finding, "update the EKS Pod Identity Agent add-on, or add --verify=identity");
        return CHECK_WARN;
    }
    buf_fmt(&m, "the credentials are for account %s, and --expect-account says %s", found, expected);
    failure_remedy(finding, "correct the role of this service account's association (aws eks "
                            "list-pod-identity-associations --cluster-name CLUSTER) or of its annotation, or "
                            "--expect-account");
    return CHECK_FAIL;
}
