#include "common/pod/injection.h"

#include <string.h>
#include <strings.h>

#include "common/base/setting.h"
#include "common/pod/role_arn.h"

#define VALUE_SHOWN 200 /* of a variable, in a message */
#define RESTART_IN_VAIN                                                                                      \
    "the webhook acts only when a pod is created, so restarting this container cannot help: "
#define RECREATE_REMEDY                                                                                      \
    RESTART_IN_VAIN                                                                                          \
    "check the association (" INJECTION_ASSOCIATIONS                                                         \
    ") and the pod's serviceAccountName, then delete the pod so that it is created anew"
#define IRSA_REMEDY                                                                                          \
    RESTART_IN_VAIN                                                                                          \
    "make an association for this service account (on EKS: aws eks create-pod-identity-association), which " \
    "the "                                                                                                   \
    "webhook prefers to the annotation eks.amazonaws.com/role-arn, then delete the pod so that it is "       \
    "created anew"
#define OWN_TOKEN_REMEDY                                                                                     \
    "restarting cannot help: mount a projected serviceAccountToken volume (audience " INJECTION_AUDIENCE     \
    ", path eks-pod-identity-token) at "                                                                     \
    "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount in this container, or leave out "                \
    "--self-injected=require and let the webhook inject; both need a new pod"

const char *const injection_self_names[] = {[INJECTION_SELF_AUTO] = "auto",
                                            [INJECTION_SELF_NEVER] = "never",
                                            [INJECTION_SELF_REQUIRE] = "require",
                                            NULL};

static bool set(const char *value) {
    return value != NULL && *value != '\0';
}

static enum reason not_injected(bool web_identity, struct failure *f) {
    struct buf m = failure_begin(f, REASON_NOT_INJECTED);
    f->permanent = true;
    if (web_identity)
        buf_str(&m, "IRSA was injected (" INJECTION_ROLE_ARN " and " INJECTION_WEB_TOKEN_FILE
                    " are set), EKS Pod Identity was "
                    "not (" INJECTION_URI " is not set): AWS SDKs take the role of IRSA");
    else
        buf_str(&m, "neither EKS Pod Identity (" INJECTION_URI ") nor IRSA (" INJECTION_WEB_TOKEN_FILE
                    ") was injected: the webhook missed this pod, or its service account has no association");
    failure_remedy(f, "%s", web_identity ? IRSA_REMEDY : RECREATE_REMEDY);
    return f->reason;
}

static enum reason half_a_pair(const char *there, const char *missing, struct failure *f) {
    struct buf m = failure_begin(f, REASON_INJECTION_INVALID);
    f->permanent = true;
    buf_fmt(&m, "%s is set and %s is not: half of the pair that the webhook injects", there, missing);
    failure_remedy(
        f,
        "remove %s from this container's env: the webhook injects neither if one of the two is there "
        "already; then delete the pod so that it is created anew",
        there);
    return f->reason;
}

static enum reason bad_uri(const char *value, const char *why, struct failure *f) {
    struct buf m = failure_begin(f, REASON_INJECTION_INVALID);
    f->permanent = true;
    buf_str(&m, INJECTION_URI "=\"");
    uri_show(value, &m);
    const char *flaw = setting_flaw(value);
    buf_fmt(&m, "\" cannot be used: %s%s", flaw != NULL ? "it " : "", flaw != NULL ? flaw : why);
    failure_remedy(f, "remove the variable from the container's env and let the webhook inject it "
                      "(" INJECTION_STANDARD_URI ", or http://[" URI_EKS_V6
                      "]/v1/credentials on IPv6 clusters)");
    return f->reason;
}

static const char *uri_complaint(enum err e) {
    switch (e) {
    case ERR_TOO_LONG:
        return "it is longer than 2048 characters";
    case ERR_CONTROL:
        return "it holds a blank, a control character or a character beyond ASCII";
    case ERR_RANGE:
        return "its port is not within 1 to 65535";
    case ERR_MISSING:
        return "it has no host";
    default:
        return "it is not an absolute http:// or https:// URI with a plain host";
    }
}

static enum reason check_path(const char *name, const char *path, const char *usual, struct injection *out,
                              struct failure *f) {
    size_t len = strnlen(path, INJECTION_PATH_MAX);
    const char *flaw = setting_flaw(path);
    if (path[0] == '/' && len < INJECTION_PATH_MAX && flaw == NULL) {
        memcpy(out->token_path, path, len + 1);
        return REASON_OK;
    }
    struct buf m = failure_begin(f, REASON_INJECTION_INVALID);
    f->permanent = true;
    buf_fmt(&m, "%s=", name);
    setting_quote(&m, path);
    buf_fmt(&m, " %s",
            len >= INJECTION_PATH_MAX ? "is longer than 4095 bytes"
            : flaw != NULL            ? flaw
                                      : "is not an absolute path");
    failure_remedy(f, "remove the variable from the container's env and let the webhook inject it (%s)",
                   usual);
    return f->reason;
}

enum reason injection_read(injection_getenv *lookup, struct injection *out, struct failure *failure) {
    const char *uri = lookup(INJECTION_URI), *path = lookup(INJECTION_TOKEN_FILE);
    memset(out, 0, sizeof *out);
    out->web_identity = set(lookup(INJECTION_ROLE_ARN)) && set(lookup(INJECTION_WEB_TOKEN_FILE));
    out->wrong = INJECTION_PART_PAIR;
    if (!set(uri) && !set(path))
        return not_injected(out->web_identity, failure);
    if (!set(path))
        return half_a_pair(INJECTION_URI, INJECTION_TOKEN_FILE, failure);
    if (!set(uri))
        return half_a_pair(INJECTION_TOKEN_FILE, INJECTION_URI, failure);
    out->wrong = INJECTION_PART_URI;
    enum err e = uri_parse(uri, &out->uri);
    if (e != ERR_OK)
        return bad_uri(uri, uri_complaint(e), failure);
    if (!uri_allowed_by_sdks(&out->uri))
        return bad_uri(
            uri,
            "over plain http, AWS SDKs send the token only to 169.254.170.23, [fd00:ec2::23], 169.254.170.2, "
            "loopback addresses and localhost",
            failure);
    out->wrong = INJECTION_PART_PATH;
    enum reason reason = check_path(INJECTION_TOKEN_FILE, path, INJECTION_STANDARD_TOKEN_FILE, out, failure);
    out->pod_identity = reason == REASON_OK;
    if (reason == REASON_OK)
        out->wrong = INJECTION_PART_NONE;
    return reason;
}

bool injection_own_sts(injection_getenv *lookup) {
    const char *ignore = lookup("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    if (set(ignore) && strcasecmp(ignore, "true") == 0)
        return false;
    return set(lookup("AWS_ENDPOINT_URL_STS")) || set(lookup("AWS_ENDPOINT_URL"));
}

static enum reason check_role(const char *arn, enum role_arn_maker maker, struct failure *f) {
    char why[256];
    struct buf problem = BUF(why);
    if (role_arn_check(arn, maker, &problem))
        return REASON_OK;
    struct buf m = failure_begin(f, REASON_INJECTION_INVALID);
    f->permanent = true;
    buf_str(&m, INJECTION_ROLE_ARN "=");
    setting_quote(&m, arn);
    buf_fmt(&m, " %s", why);
    failure_remedy(f, "correct the annotation eks.amazonaws.com/role-arn of the service account "
                      "(arn:aws:iam::ACCOUNT:role/NAME), then delete the pod so that it is created anew");
    return f->reason;
}

enum reason injection_read_web(injection_getenv *lookup, struct injection *out, struct failure *failure) {
    const char *arn = lookup(INJECTION_ROLE_ARN), *path = lookup(INJECTION_WEB_TOKEN_FILE);
    memset(out, 0, sizeof *out);
    out->web_identity = set(arn) && set(path);
    out->wrong = INJECTION_PART_PAIR;
    if (!set(arn) && !set(path))
        return not_injected(false, failure);
    if (!set(path))
        return half_a_pair(INJECTION_ROLE_ARN, INJECTION_WEB_TOKEN_FILE, failure);
    if (!set(arn))
        return half_a_pair(INJECTION_WEB_TOKEN_FILE, INJECTION_ROLE_ARN, failure);
    out->wrong = INJECTION_PART_URI;
    enum reason reason = check_role(arn, injection_own_sts(lookup) ? ROLE_ARN_ANY : ROLE_ARN_AWS, failure);
    if (reason != REASON_OK)
        return reason;
    out->wrong = INJECTION_PART_PATH;
    reason = check_path(INJECTION_WEB_TOKEN_FILE, path,
                        "/var/run/secrets/eks.amazonaws.com/serviceaccount/token", out, failure);
    if (reason == REASON_OK)
        out->wrong = INJECTION_PART_NONE;
    return reason;
}

void injection_adopt(struct injection *injection) {
    static const char path[] = INJECTION_STANDARD_TOKEN_FILE;
    injection->pod_identity = injection->self_injected = true;
    injection->wrong = INJECTION_PART_NONE;
    (void)uri_parse(INJECTION_STANDARD_URI, &injection->uri);
    memcpy(injection->token_path, path, sizeof path);
}

enum reason injection_own_token_missing(struct failure *failure) {
    struct buf m = failure_begin(failure, REASON_NOT_INJECTED);
    failure->permanent = true;
    buf_str(&m, "--self-injected=require, and there is no token at " INJECTION_STANDARD_TOKEN_FILE);
    failure_remedy(failure, "%s", OWN_TOKEN_REMEDY);
    return failure->reason;
}
