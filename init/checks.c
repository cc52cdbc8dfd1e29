#include "init/checks.h"

#include <string.h>

#include "init/credential_checks.h"
#include "init/identity_checks.h"
#include "init/injection_checks.h"
#include "init/install.h"
#include "init/shadow_checks.h"
#include "init/shadow_file_checks.h"
#include "init/tls_checks.h"
#include "init/token_checks.h"

/* Name, what it looks at, function. install.get is first: other containers may need the helper although this
 * pod's identity is not in order yet. */
#define LOCAL_CHECKS(CHECK)                                                                                  \
    CHECK("install.get", "pod-identity-get is copied for other containers (--install)", check_install)       \
    CHECK("settings.variables", "no POD_IDENTITY_ variable is mistyped", check_settings_variables)           \
    CHECK("injection.labels", "what the pod's labels say about the webhook (--pod-labels)",                  \
          check_injection_labels)                                                                            \
    CHECK("injection.pair", "both variables of EKS Pod Identity are there", check_injection_pair)            \
    CHECK("injection.uri", "the address is one to which AWS SDKs send the token", check_injection_uri)       \
    CHECK("injection.token-path", "the token's path is absolute", check_injection_token_path)                \
    CHECK("shadow.static-keys", "no access keys in the environment", check_shadow_static_keys)               \
    CHECK("shadow.profile", "no profile is chosen (AWS_PROFILE)", check_shadow_profile)                      \
    CHECK("shadow.credentials-file", "no credentials in the shared credentials file",                        \
          check_shadow_credentials_file)                                                                     \
    CHECK("shadow.config-file", "no credentials in the shared config file", check_shadow_config_file)        \
    CHECK("shadow.web-identity", "no web identity (IRSA) beside EKS Pod Identity",                           \
          check_shadow_web_identity)                                                                         \
    CHECK("shadow.relative-uri", "no address of ECS", check_shadow_relative_uri)                             \
    CHECK("shadow.token-value", "no fixed token beside the token's file", check_shadow_token_value)          \
    CHECK("shadow.proxy", "no proxy takes requests to the agent", check_shadow_proxy)                        \
    CHECK("shadow.metadata", "SDKs do not fall back to the node's role", check_shadow_metadata)              \
    CHECK("shadow.region", "SDKs know their region", check_shadow_region)                                    \
    CHECK("token.readable", "this user can read the mounted token", check_token_readable)                    \
    CHECK("token.format", "it is a JSON web token", check_token_format)                                      \
    CHECK("token.audience", "it is for who is sent it", check_token_audience)                                \
    CHECK("token.issuer", "a cluster issued it, for a service account", check_token_issuer)                  \
    CHECK("token.times", "it is valid now, and the kubelet renews it", check_token_times)                    \
    CHECK("token.identity", "it is for the expected namespace and service account", check_token_identity)    \
    CHECK("tls.authorities", "the authorities that https trusts can be used", check_tls_authorities)

/* These take time: they are not begun if the verdict is clear already. */
#define NETWORK_CHECKS(CHECK)                                                                                \
    CHECK("agent.reachable", "the agent of this node, or STS, answers", check_agent_reachable)               \
    CHECK("agent.credentials", "it hands out credentials", check_agent_credentials)                          \
    CHECK("agent.clock", "its clock and ours agree", check_agent_clock)                                      \
    CHECK("credentials.lifetime", "the credentials live long enough (--min-ttl)",                            \
          check_credentials_lifetime)                                                                        \
    CHECK("credentials.account", "they are for the expected account", check_credentials_account)             \
    CHECK("identity.caller", "AWS takes them for the expected role (--verify=identity, --expect-role)",      \
          check_identity_caller)

static enum check_status check_install(struct run *run, struct failure *finding) {
    if (run->config->install[0] == '\0')
        return check_skipped(finding, "not asked for (--install)");
    struct buf m = failure_begin(finding, REASON_OK);
    return install_get(run->config->install, run->config->install_sh, &m, finding) ? CHECK_PASS : CHECK_FAIL;
}

#define CHECK_FUNCTION(id, title, function) function,
#define CHECK_TEXT(id, title, function) id "\0" title "\0"
#define CHECK_ONE(id, title, function) +1

static check_function *const checks[] = {LOCAL_CHECKS(CHECK_FUNCTION) NETWORK_CHECKS(CHECK_FUNCTION)};
enum { LOCAL_COUNT = 0 LOCAL_CHECKS(CHECK_ONE) };

/* Name and title of each, with a NUL behind either: a pointer would cost a relocation of 24 bytes. */
static const char texts[] = LOCAL_CHECKS(CHECK_TEXT) NETWORK_CHECKS(CHECK_TEXT);

static const char *next_text(const char *text) {
    return text + strlen(text) + 1;
}

_Static_assert(sizeof checks / sizeof checks[0] <= REPORT_CHECKS_MAX, "the report holds all checks");

/* With --strict a warning is a failure. The checks behind it still run where they cost nothing: who mends a
 * pod wants to know everything that is wrong with it at once. */
void checks_run(struct run *run, struct report *report) {
    const char *failed = NULL;
    const char *text = texts;
    bool stopped = false;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++, text = next_text(next_text(text))) {
        struct check_result *r = &report->results[report->count++];
        r->id = text;
        if (stopped || (failed != NULL && i >= LOCAL_COUNT)) {
            struct buf m = failure_begin(&r->finding, REASON_OK);
            buf_fmt(&m, "not reached, because %s failed", failed);
            r->status = CHECK_SKIP;
            r->unreached = true;
            continue;
        }
        r->status = checks[i](run, &r->finding);
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
    const char *text = texts;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++, text = next_text(next_text(text)))
        buf_fmt(out, "%-24s %s\n", text, next_text(text));
}
