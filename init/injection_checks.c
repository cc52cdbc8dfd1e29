/* What was injected into this container, and what would be taken before it by the AWS SDKs. Nothing is
 * opened. */
#include <string.h>

#include "init/checks.h"

static bool set(struct run *run, const char *name) {
    const char *value = run->lookup(name);
    return value != NULL && *value != '\0';
}

/* ---- injection ---- */

enum check_status check_injection_pair(struct run *run, struct failure *finding) {
    enum reason reason = source_open(&run->source, run->config->source, run->lookup, &run->opening);
    if (reason == REASON_OK)
        run->opening.reason = REASON_OK;
    else if (!set(run, INJECTION_URI) || !set(run, INJECTION_TOKEN_FILE)) {
        *finding = run->opening;
        return CHECK_FAIL;
    }
    return check_passed(finding, "%s and %s are set", INJECTION_URI, INJECTION_TOKEN_FILE);
}

/* A URI that was understood and allowed is in order even if the path beside it is not. */
enum check_status check_injection_uri(struct run *run, struct failure *finding) {
    const struct uri *uri = &run->source.injection.uri;
    struct uri again;
    if (run->opening.reason != REASON_OK &&
        (uri_parse(run->lookup(INJECTION_URI), &again) != ERR_OK || !uri_allowed_by_sdks(&again))) {
        *finding = run->opening;
        return CHECK_FAIL;
    }
    struct buf m = failure_begin(finding, REASON_OK);
    check_quote(&m, uri->text);
    buf_str(&m, " is an address that AWS SDKs accept");
    return CHECK_PASS;
}

enum check_status check_injection_token_path(struct run *run, struct failure *finding) {
    if (run->opening.reason != REASON_OK) {
        *finding = run->opening;
        return CHECK_FAIL;
    }
    struct buf m = failure_begin(finding, REASON_OK);
    check_quote(&m, run->source.injection.token_path);
    buf_str(&m, " is an absolute path");
    return CHECK_PASS;
}

/* ---- shadows: what SDKs take before Pod Identity. This program goes on, the app would not ----
 * Source: the default chains of botocore, Go, JS and minio-go. */

static enum check_status shadowed(struct failure *finding, const char *variables, const char *by) {
    struct buf m = failure_begin(finding, REASON_INJECTION_INVALID);
    buf_fmt(&m, "%s set: AWS SDKs take %s before EKS Pod Identity", variables, by);
    failure_remedy(finding, "remove %s from the env of the containers that shall use EKS Pod Identity",
                   strncmp(variables, "both", 4) == 0 ? "both" : "it");
    return CHECK_WARN;
}

enum check_status check_shadow_web_identity(struct run *run, struct failure *finding) {
    if (set(run, INJECTION_ROLE_ARN) && set(run, INJECTION_WEB_TOKEN_FILE))
        return shadowed(finding, "both " INJECTION_ROLE_ARN " and " INJECTION_WEB_TOKEN_FILE " are",
                        "that role (IRSA, web identity)");
    return check_passed(finding, "no web identity (IRSA) beside it");
}

enum check_status check_shadow_static_keys(struct run *run, struct failure *finding) {
    if (set(run, "AWS_ACCESS_KEY_ID") && set(run, "AWS_SECRET_ACCESS_KEY"))
        return shadowed(finding, "both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are", "those keys");
    return check_passed(finding, "no static keys in the environment");
}

enum check_status check_shadow_relative_uri(struct run *run, struct failure *finding) {
    if (set(run, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"))
        return shadowed(finding, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is",
                        "the ECS endpoint 169.254.170.2");
    return check_passed(finding, "no AWS_CONTAINER_CREDENTIALS_RELATIVE_URI beside it");
}
