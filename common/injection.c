#include "common/injection.h"

#include <string.h>

#define VALUE_SHOWN 200 /* of a variable, in a message */
#define RECREATE_REMEDY                                                                                      \
    "the webhook acts only when a pod is created, so restarting this container cannot help: check the "      \
    "association "                                                                                           \
    "(aws eks list-pod-identity-associations --cluster-name CLUSTER) and the pod's serviceAccountName, "     \
    "then delete "                                                                                           \
    "the pod so that it is created anew"

static bool set(const char *value) {
    return value != NULL && *value != '\0';
}

/* User information in a URI would be a password: it is left out. */
static void put_variable(struct buf *m, const char *name, const char *value) {
    const char *at = strrchr(value, '@');
    buf_str(m, name);
    buf_str(m, at != NULL ? "=\"[redacted]" : "=\"");
    value = at != NULL ? at : value;
    buf_printable(m, value, strnlen(value, VALUE_SHOWN + 1), VALUE_SHOWN);
    buf_char(m, '"');
}

static enum reason not_injected(bool web_identity, struct failure *f) {
    struct buf m = failure_begin(f, REASON_NOT_INJECTED);
    f->permanent = true;
    if (web_identity)
        buf_str(&m, "IRSA was injected (" INJECTION_ROLE_ARN " and " INJECTION_WEB_TOKEN_FILE
                    " are set), EKS Pod Identity was "
                    "not (" INJECTION_URI " is not set)");
    else
        buf_str(&m, "neither EKS Pod Identity (" INJECTION_URI ") nor IRSA (" INJECTION_WEB_TOKEN_FILE
                    ") was injected: the webhook missed this pod, or its service account has no association");
    failure_remedy(f, "%s", RECREATE_REMEDY);
    return f->reason;
}

static enum reason half_a_pair(const char *there, const char *missing, struct failure *f) {
    struct buf m = failure_begin(f, REASON_INJECTION_INVALID);
    f->permanent = true;
    buf_fmt(&m, "%s is set and %s is not: half of the pair that EKS Pod Identity injects", there, missing);
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
    put_variable(&m, INJECTION_URI, value);
    buf_str(&m, " cannot be used: ");
    buf_str(&m, why);
    failure_remedy(
        f,
        "remove the variable from the container's env and let the webhook inject it "
        "(http://169.254.170.23/v1/credentials, or http://[fd00:ec2::23]/v1/credentials on IPv6 clusters)");
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
        return "it is no absolute http:// or https:// URI with a plain host";
    }
}

static enum reason check_path(const char *path, struct injection *out, struct failure *f) {
    size_t len = strnlen(path, INJECTION_PATH_MAX);
    if (path[0] == '/' && len < INJECTION_PATH_MAX) {
        memcpy(out->token_path, path, len + 1);
        return REASON_OK;
    }
    struct buf m = failure_begin(f, REASON_INJECTION_INVALID);
    f->permanent = true;
    put_variable(&m, INJECTION_TOKEN_FILE, path);
    buf_str(&m, len < INJECTION_PATH_MAX ? " is no absolute path" : " is longer than 4095 bytes");
    failure_remedy(f, "remove the variable from the container's env and let the webhook inject it "
                      "(/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token)");
    return f->reason;
}

enum reason injection_read(injection_getenv *lookup, struct injection *out, struct failure *failure) {
    const char *uri = lookup(INJECTION_URI), *path = lookup(INJECTION_TOKEN_FILE);
    memset(out, 0, sizeof *out);
    out->web_identity = set(lookup(INJECTION_ROLE_ARN)) && set(lookup(INJECTION_WEB_TOKEN_FILE));
    if (!set(uri) && !set(path))
        return not_injected(out->web_identity, failure);
    if (!set(path))
        return half_a_pair(INJECTION_URI, INJECTION_TOKEN_FILE, failure);
    if (!set(uri))
        return half_a_pair(INJECTION_TOKEN_FILE, INJECTION_URI, failure);
    enum err e = uri_parse(uri, &out->uri);
    if (e != ERR_OK)
        return bad_uri(uri, uri_complaint(e), failure);
    if (!uri_allowed_by_sdks(&out->uri))
        return bad_uri(
            uri,
            "over plain http, AWS SDKs send the token only to 169.254.170.23, [fd00:ec2::23], 169.254.170.2 "
            "and loopback addresses, given as numbers",
            failure);
    enum reason reason = check_path(path, out, failure);
    out->pod_identity = reason == REASON_OK;
    return reason;
}
