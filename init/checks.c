#include "init/checks.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "init/install.h"

#define QUOTED_MAX 253 /* the longest name in Kubernetes */

static const struct check {
    const char *id;
    check_function *function;
    bool network; /* takes time: not begun if the verdict is clear already */
} checks[] = {
    /* First: other containers may need the helper although this pod's identity is not in order yet. */
    {"install.get", check_install, false},
    {"injection.pair", check_injection_pair, false},
    {"injection.uri", check_injection_uri, false},
    {"injection.token-path", check_injection_token_path, false},
    {"shadow.web-identity", check_shadow_web_identity, false},
    {"shadow.static-keys", check_shadow_static_keys, false},
    {"shadow.relative-uri", check_shadow_relative_uri, false},
    {"token.readable", check_token_readable, false},
    {"token.format", check_token_format, false},
    {"token.audience", check_token_audience, false},
    {"token.times", check_token_times, false},
    {"token.identity", check_token_identity, false},
    {"agent.reachable", check_agent_reachable, true},
    {"agent.credentials", check_agent_credentials, true},
    {"credentials.lifetime", check_credentials_lifetime, true},
    {"credentials.account", check_credentials_account, true},
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

enum check_status check_install(struct run *run, struct failure *finding) {
    if (run->config->install[0] == '\0')
        return check_skipped(finding, "not asked for (--install)");
    struct buf m = failure_begin(finding, REASON_OK);
    return install_get(run->config->install, &m, finding) ? CHECK_PASS : CHECK_FAIL;
}
