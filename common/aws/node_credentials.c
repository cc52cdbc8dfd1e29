#include "common/aws/node_credentials.h"

#include <string.h>
#include <strings.h>

#include "common/base/wipe.h"

#define ENDPOINT "AWS_EC2_METADATA_SERVICE_ENDPOINT"
#define MODE "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
#define SESSION_HEADER "X-aws-ec2-metadata-token"
#define SESSION_TTL_HEADER "X-aws-ec2-metadata-token-ttl-seconds"
#define SESSION_TTL "60" /* it is used for the two requests behind it */
#define ROLES "/latest/meta-data/iam/security-credentials/"
#define HOPS_REMEDY                                                                                          \
    "the node's metadata service must answer this pod: set the hop limit of its instance to 2 (aws ec2 "     \
    "modify-instance-metadata-options --http-put-response-hop-limit 2), or use hostNetwork, or give "        \
    "credentials with --node-credentials=environment"

enum reason node_fetch_open(struct node_fetch *n, injection_getenv *lookup, struct failure *f) {
    const char *given = lookup(ENDPOINT), *mode = lookup(MODE);
    bool six = mode != NULL && strcasecmp(mode, "IPv6") == 0, named = given != NULL && *given != '\0';
    const char *text = named ? given : six ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
    enum err e = uri_parse(text, &n->base);
    bool plain = e == ERR_OK && !n->base.https && n->base.kind != URI_HOST_NAME &&
                 strspn(n->base.path, "/") == strlen(n->base.path);
    if (plain && (!named || uri_is_local(&n->base) || n->base.kind == URI_HOST_OTHER_ADDRESS))
        return REASON_OK;
    struct buf m = failure_begin(f, REASON_SETTING_INVALID);
    f->permanent = true;
    f->cause = "metadata-endpoint";
    buf_str(&m, ENDPOINT "=");
    uri_show(text, &m);
    buf_str(&m, " is not an http:// URL of a numeric address without a path");
    failure_remedy(f, "unset " ENDPOINT ", or set it to http://169.254.169.254 or http://[fd00:ec2::254]");
    return f->reason;
}

void node_fetch_restart(struct node_fetch *n) {
    n->step = NODE_SESSION;
    wipe(n->session, sizeof n->session);
}

void node_fetch_request(struct node_fetch *n, struct http_request *out) {
    struct buf url = BUF(n->url);
    uri_put_origin(&n->base, &url);
    buf_str(&url, n->step == NODE_SESSION ? "/latest/api/token" : ROLES);
    if (n->step == NODE_CREDENTIALS)
        buf_str(&url, n->role);
    n->headers[0] = n->step == NODE_SESSION ? (struct http_header){SESSION_TTL_HEADER, SESSION_TTL}
                                            : (struct http_header){SESSION_HEADER, n->session};
    *out = (struct http_request){
        .method = n->step == NODE_SESSION ? "PUT" : "GET",
        .url = n->url,
        .headers = n->headers,
        .header_count = 1,
        .local = true,
        .connect_timeout_ms = NODE_CREDENTIALS_TIMEOUT_MS,
        .total_timeout_ms = NODE_CREDENTIALS_TIMEOUT_MS,
    };
}

static struct buf begin(const struct node_fetch *n, enum reason reason, struct failure *f) {
    struct buf m = failure_begin(f, reason);
    buf_fmt(&m, "%s %s ", n->step == NODE_SESSION ? "PUT" : "GET", n->url);
    return m;
}

static enum reason failed(const struct node_fetch *n, const struct http_response *r, struct failure *f) {
    if (r->result != HTTP_ANSWERED) {
        struct buf m = begin(n, REASON_AWS_UNREACHABLE, f);
        f->cause = http_result_cause(r->result);
        buf_fmt(&m, "%s after %lld ms", http_result_text(r->result), (long long)r->elapsed_ms);
        failure_remedy(f, "%s", HOPS_REMEDY);
        return f->reason;
    }
    bool passing = r->status == 429 || r->status >= 500;
    struct buf m = begin(n, passing ? REASON_THROTTLED : REASON_ACCESS_DENIED, f);
    f->cause = "node-credentials";
    f->retry_after_ms = r->retry_after_ms;
    buf_fmt(&m, "answered %d", r->status);
    if (r->status == 404)
        failure_remedy(f, "the instance has no role: attach an instance profile, or give credentials with "
                          "--node-credentials=environment");
    else
        failure_remedy(f, "%s", HOPS_REMEDY);
    return f->reason;
}

static enum reason nonsense(const struct node_fetch *n, const char *part, enum err e, struct failure *f) {
    struct buf m = begin(n, REASON_BAD_RESPONSE, f);
    f->cause = "nonsense";
    buf_fmt(&m, "answered 200 with %s that cannot be used: %s", part, err_text(e));
    failure_remedy(f, "something other than the instance metadata service answers there: look for a proxy of "
                      "it (kube2iam, kiam)");
    return f->reason;
}

/* The first line, of characters that a header and a URL can take as they are. */
static enum err copy_word(const struct http_response *r, char *out, size_t cap) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+.@,/~";
    size_t len = strcspn(r->body, "\r\n");
    if (len == 0 || len >= cap)
        return len == 0 ? ERR_EMPTY : ERR_TOO_LONG;
    if (strspn(r->body, plain) < len)
        return ERR_SYNTAX;
    memcpy(out, r->body, len);
    out[len] = '\0';
    return ERR_OK;
}

static enum reason take_credentials(const struct node_fetch *n, const struct http_response *r,
                                    struct moment now, struct credentials *out, struct failure *f) {
    const char *field;
    enum err e = credentials_parse(r->body, r->body_len, out, &field);
    if (e != ERR_OK)
        return nonsense(n, field, e, f);
    if (out->expires_ms > now.wall_ms)
        return REASON_OK;
    credentials_wipe(out);
    return nonsense(n, "credentials that have expired", ERR_RANGE, f);
}

enum reason node_fetch_result(struct node_fetch *n, const struct http_response *r, struct moment now,
                              struct credentials *out, bool *more, struct failure *f) {
    enum err e = ERR_OK;
    *more = false;
    if (r->result != HTTP_ANSWERED || r->status != 200)
        return failed(n, r, f);
    switch (n->step) {
    case NODE_SESSION:
        e = copy_word(r, n->session, sizeof n->session);
        if (e != ERR_OK)
            return nonsense(n, "a session token", e, f);
        n->step = NODE_ROLE;
        break;
    case NODE_ROLE:
        e = copy_word(r, n->role, sizeof n->role);
        if (e != ERR_OK)
            return nonsense(n, "a role's name", e, f);
        n->step = NODE_CREDENTIALS;
        break;
    default:
        return take_credentials(n, r, now, out, f);
    }
    *more = true;
    return REASON_OK;
}

/* ---- the environment ---- */

static bool copy_variable(const char *value, char *out, size_t cap) {
    size_t len = value != NULL ? strnlen(value, cap) : 0;
    if (len == 0 || len >= cap || !credentials_text_valid(value))
        return false;
    memcpy(out, value, len + 1);
    return true;
}

enum reason node_environment(injection_getenv *lookup, struct credentials *out, struct failure *f) {
    const char *token = lookup("AWS_SESSION_TOKEN"), *wrong = NULL;
    credentials_wipe(out);
    if (!copy_variable(lookup("AWS_ACCESS_KEY_ID"), out->access_key_id, sizeof out->access_key_id))
        wrong = "AWS_ACCESS_KEY_ID";
    else if (!copy_variable(lookup("AWS_SECRET_ACCESS_KEY"), out->secret_access_key,
                            sizeof out->secret_access_key))
        wrong = "AWS_SECRET_ACCESS_KEY";
    else if (token != NULL && *token != '\0' &&
             !copy_variable(token, out->session_token, sizeof out->session_token))
        wrong = "AWS_SESSION_TOKEN";
    out->expires_ms = CLOCK_NEVER;
    if (wrong == NULL)
        return REASON_OK;
    credentials_wipe(out);
    struct buf m = failure_begin(f, REASON_INJECTION_INVALID);
    f->permanent = true;
    f->cause = "node-credentials";
    buf_fmt(&m, "--node-credentials=environment, and %s is not set, or is no key", wrong);
    failure_remedy(
        f, "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN from a Secret, in this "
           "container only");
    return f->reason;
}
