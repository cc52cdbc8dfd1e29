#include "init/checks.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "init/install.h"

#define QUOTED_MAX 253 /* the longest name in Kubernetes */

static const struct check {
    char id[24]; /* an array: a pointer would cost a relocation */
    const char *title;
    check_function *function;
    bool network; /* takes time: not begun if the verdict is clear already */
} checks[] = {
    /* First: other containers may need the helper although this pod's identity is not in order yet. */
    {"install.get", "pod-identity-get is copied for other containers (--install)", check_install, false},
    {"injection.labels", "what the pod's labels say about the webhook (--pod-labels)", check_injection_labels,
     false},
    {"injection.pair", "both variables of EKS Pod Identity are there", check_injection_pair, false},
    {"injection.uri", "the address is one to which AWS SDKs send the token", check_injection_uri, false},
    {"injection.token-path", "the token's path is absolute", check_injection_token_path, false},
    {"shadow.static-keys", "no access keys in the environment", check_shadow_static_keys, false},
    {"shadow.profile", "no profile is chosen (AWS_PROFILE)", check_shadow_profile, false},
    {"shadow.credentials-file", "no shared credentials file", check_shadow_credentials_file, false},
    {"shadow.web-identity", "no web identity (IRSA) beside EKS Pod Identity", check_shadow_web_identity,
     false},
    {"shadow.relative-uri", "no address of ECS", check_shadow_relative_uri, false},
    {"shadow.proxy", "no proxy takes requests to the agent", check_shadow_proxy, false},
    {"shadow.metadata", "SDKs do not fall back to the node's role", check_shadow_metadata, false},
    {"shadow.region", "SDKs know their region", check_shadow_region, false},
    {"token.readable", "this user can read the mounted token", check_token_readable, false},
    {"token.format", "it is a JSON web token", check_token_format, false},
    {"token.audience", "it is for EKS Pod Identity", check_token_audience, false},
    {"token.issuer", "a cluster issued it, for a service account", check_token_issuer, false},
    {"token.times", "it is valid now, and the kubelet renews it", check_token_times, false},
    {"token.identity", "it is for the expected namespace and service account", check_token_identity, false},
    {"agent.reachable", "the agent of this node answers", check_agent_reachable, true},
    {"agent.credentials", "it hands out credentials", check_agent_credentials, true},
    {"agent.clock", "its clock and ours agree", check_agent_clock, true},
    {"credentials.lifetime", "the credentials live long enough (--min-ttl)", check_credentials_lifetime,
     true},
    {"credentials.account", "they are for the expected account", check_credentials_account, true},
};

_Static_assert(sizeof checks / sizeof checks[0] <= REPORT_CHECKS_MAX, "the report holds all checks");

/* With --strict a warning is a failure. The checks behind it still run where they cost nothing: who mends a
 * pod wants to know everything that is wrong with it at once. */
void checks_run(struct run *run, struct report *report) {
    const char *failed = NULL;
    bool stopped = false;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        struct check_result *r = &report->results[report->count++];
        r->id = checks[i].id;
        if (stopped || (failed != NULL && checks[i].network)) {
            struct buf m = failure_begin(&r->finding, REASON_OK);
            buf_fmt(&m, "not reached, because %s failed", failed);
            r->status = CHECK_SKIP;
            continue;
        }
        r->status = checks[i].function(run, &r->finding);
        stopped = r->status == CHECK_FAIL;
        if (run->config->strict && r->status == CHECK_WARN)
            r->status = CHECK_FAIL;
        if (failed == NULL && r->status == CHECK_FAIL)
            failed = r->id;
    }
    report->source = source_name(run->source.kind);
    report->waited_ms = run->fetched.waited_ms;
}

void checks_list(struct buf *out) {
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        buf_fmt(out, "%-24s %s\n", checks[i].id, checks[i].title);
}

enum check_status check_passed(struct failure *finding, const char *format, ...) {
    va_list args;
    failure_begin(finding, REASON_OK);
    va_start(args, format);
    (void)vsnprintf(finding->message, sizeof finding->message, format, args);
    va_end(args);
    return CHECK_PASS;
}

enum check_status check_skipped(struct failure *finding, const char *message) {
    (void)check_passed(finding, "%s", message);
    return CHECK_SKIP;
}

void check_quote(struct buf *message, const char *text) {
    buf_char(message, '"');
    buf_printable(message, text, strlen(text), QUOTED_MAX);
    buf_char(message, '"');
}

bool check_is_set(const struct run *run, const char *name) {
    const char *value = run->lookup(name);
    return value != NULL && *value != '\0';
}

const char *check_cluster_id(const struct jwt_claims *claims) {
    static const char before[] = "/id/";
    const char *id = strstr(claims->issuer, before);
    return id != NULL && id[sizeof before - 1] != '\0' ? id + sizeof before - 1 : NULL;
}

enum check_status check_install(struct run *run, struct failure *finding) {
    if (run->config->install[0] == '\0')
        return check_skipped(finding, "not asked for (--install)");
    struct buf m = failure_begin(finding, REASON_OK);
    return install_get(run->config->install, run->config->install_sh, &m, finding) ? CHECK_PASS : CHECK_FAIL;
}
