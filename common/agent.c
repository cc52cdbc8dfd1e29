#include "common/agent.h"

#include <string.h>

#include "common/timefmt.h"

#define QUOTED_MAX 400 /* of an error body: the agent's longest known text has under 300 characters */

#define ASSOCIATION_REMEDY                                                                                   \
    "check that an association exists for this namespace and service account in this cluster (aws eks "      \
    "list-pod-identity-associations --cluster-name CLUSTER --namespace NAMESPACE --service-account NAME); "  \
    "a new one "                                                                                             \
    "takes some seconds to be seen"
#define TRUST_REMEDY                                                                                         \
    "let the role's trust policy allow the principal service pods.eks.amazonaws.com both sts:AssumeRole "    \
    "and "                                                                                                   \
    "sts:TagSession, and the node's role eks-auth:AssumeRoleForPodIdentity (AmazonEKSWorkerNodePolicy)"
#define TOKEN_REMEDY                                                                                         \
    "the token must be a projected service account token of this cluster with audience "                     \
    "pods.eks.amazonaws.com that "                                                                           \
    "has not expired; delete the pod so that it gets a fresh one, and compare the node's clock"
#define WAIT_REMEDY                                                                                          \
    "wait and try again; if it lasts, look at the agent's log (kubectl -n kube-system logs "                 \
    "ds/eks-pod-identity-agent)"                                                                             \
    " and at the rate at which this node's pods ask"

void agent_request(const struct uri *uri, const struct token *token, struct http_header headers[2],
                   struct http_request *out) {
    headers[0] = (struct http_header){"Authorization", token->text};
    headers[1] = (struct http_header){"Accept", "application/json"};
    *out = (struct http_request){
        .method = "GET",
        .url = uri->text,
        .headers = headers,
        .header_count = 2,
        .local = uri_is_local(uri),
        .connect_timeout_ms = AGENT_CONNECT_TIMEOUT_MS,
        .total_timeout_ms = AGENT_TOTAL_TIMEOUT_MS,
    };
}

static struct buf begin(struct failure *f, enum reason reason, const struct uri *uri) {
    struct buf m = failure_begin(f, reason);
    buf_str(&m, "GET ");
    buf_printable(&m, uri->text, strlen(uri->text), 200);
    buf_char(&m, ' ');
    return m;
}

/* ---- no answer ---- */

static const char *unreachable_remedy(enum http_result result, const struct uri *uri) {
    switch (result) {
    case HTTP_REFUSED:
        return "nothing listens there: the EKS Pod Identity Agent add-on is not installed, or its DaemonSet "
               "does not run on "
               "this node (kubectl -n kube-system get pods -o wide -l "
               "app.kubernetes.io/name=eks-pod-identity-agent); "
               "Fargate has no agent";
    case HTTP_NO_FAMILY:
    case HTTP_NO_ROUTE:
        return uri->ipv6 ? "this pod has no IPv6 route to the agent: in an IPv4 cluster the injected address "
                           "must be "
                           "http://169.254.170.23/v1/credentials"
                         : "this pod has no route to the agent's link-local address: look for a network "
                           "policy, a host "
                           "firewall or a CNI that blocks 169.254.170.23";
    case HTTP_CONNECT_TIMEOUT:
        return "packets are dropped: look for a NetworkPolicy without egress to 169.254.170.23/32 port 80, a "
               "host firewall "
               "on the node, or a proxy that takes link-local traffic";
    case HTTP_NO_NAME:
        return "use the agent's numeric address: http://169.254.170.23/v1/credentials";
    default:
        return WAIT_REMEDY;
    }
}

static enum reason no_answer(const struct uri *uri, const struct http_response *r, struct failure *f) {
    static const struct {
        enum reason reason;
        const char *what;
    } meaning[] = {
        [HTTP_REFUSED] = {REASON_AGENT_UNREACHABLE, "was refused"},
        [HTTP_CONNECT_TIMEOUT] = {REASON_AGENT_UNREACHABLE, "timed out while connecting"},
        [HTTP_ANSWER_TIMEOUT] = {REASON_AGENT_UNREACHABLE,
                                 "connected and timed out while waiting for the whole answer"},
        [HTTP_NO_ROUTE] = {REASON_AGENT_UNREACHABLE, "found no route"},
        [HTTP_NO_FAMILY] = {REASON_AGENT_UNREACHABLE, "failed: this pod has no address of that family"},
        [HTTP_NO_NAME] = {REASON_AGENT_UNREACHABLE, "failed: the host name could not be resolved"},
        [HTTP_NO_ANSWER] = {REASON_AGENT_UNREACHABLE,
                            "connected, and the connection was closed without an answer"},
        [HTTP_CUT_SHORT] = {REASON_BAD_RESPONSE, "got an answer that was cut short"},
        [HTTP_NOT_HTTP] = {REASON_BAD_RESPONSE, "got something that is not HTTP"},
        [HTTP_TOO_LARGE] = {REASON_BAD_RESPONSE, "got an answer of more than 16384 bytes"},
        [HTTP_TLS] = {REASON_AGENT_UNREACHABLE, "failed to set up TLS"},
        [HTTP_FAILED] = {REASON_AGENT_UNREACHABLE, "failed"},
    };
    enum http_result result = r->result;
    if (result == HTTP_NO_NAME && uri->kind != URI_HOST_NAME)
        result = HTTP_NO_FAMILY; /* libcurl's way to say that a numeric address has no family here */
    struct buf m = begin(f, meaning[result].reason, uri);
    buf_fmt(&m, "%s after %lld ms", meaning[result].what, (long long)r->elapsed_ms);
    if (r->detail[0] != '\0')
        buf_fmt(&m, " (%s)", r->detail);
    failure_remedy(
        f, "%s",
        meaning[result].reason == REASON_BAD_RESPONSE
            ? "something other than the EKS Pod Identity Agent answers there, or it failed midway: look for "
              "a proxy, and at the agent's log on this node"
            : unreachable_remedy(result, uri));
    return f->reason;
}

/* ---- an error answer ---- */

static const struct code {
    const char *text; /* looked for in the body */
    enum reason reason;
    const char *remedy;
} codes[] = {
    {"(AccessDeniedException)", REASON_ACCESS_DENIED, TRUST_REMEDY},
    {"(ResourceNotFoundException)", REASON_ACCESS_DENIED, ASSOCIATION_REMEDY},
    {"(ExpiredTokenException)", REASON_TOKEN_INVALID, TOKEN_REMEDY},
    {"(InvalidTokenException)", REASON_TOKEN_INVALID, TOKEN_REMEDY},
    {"(InvalidParameterException)", REASON_TOKEN_INVALID, TOKEN_REMEDY},
    {"(InvalidRequestException)", REASON_TOKEN_INVALID, TOKEN_REMEDY},
    {"(ThrottlingException)", REASON_THROTTLED, WAIT_REMEDY},
    {"Service account token", REASON_TOKEN_INVALID, TOKEN_REMEDY},
    {"Called agent through invalid address", REASON_INJECTION_INVALID,
     "the agent accepts only its own addresses as Host: use http://169.254.170.23/v1/credentials or "
     "http://[fd00:ec2::23]/v1/credentials"},
};

static const struct status {
    int first, last;
    enum reason reason;
    const char *remedy;
} statuses[] = {
    {300, 399, REASON_BAD_RESPONSE,
     "the agent never redirects, and redirects are not followed: something else answers at that address"},
    {401, 401, REASON_ACCESS_DENIED, TRUST_REMEDY},
    {403, 403, REASON_ACCESS_DENIED, TRUST_REMEDY},
    {404, 404, REASON_BAD_RESPONSE,
     "the path is not the agent's, or something else answers there: the URI must end in /v1/credentials"},
    {408, 408, REASON_THROTTLED, WAIT_REMEDY},
    {429, 429, REASON_THROTTLED, WAIT_REMEDY},
    {500, 599, REASON_THROTTLED, WAIT_REMEDY},
    {0, 999, REASON_BAD_RESPONSE,
     "something other than the EKS Pod Identity Agent answers there: look for a proxy"},
};

static bool contains(const struct http_response *r, const char *text) {
    return memmem(r->body, r->body_len, text, strlen(text)) != NULL;
}

static enum reason error_answer(const struct uri *uri, const struct http_response *r, struct failure *f) {
    const struct status *s = statuses;
    while (r->status < s->first || r->status > s->last)
        s++;
    enum reason reason = s->reason;
    const char *remedy = s->remedy;
    for (size_t i = 0; r->status >= 400 && r->status < 500 && i < sizeof codes / sizeof codes[0]; i++) {
        if (contains(r, codes[i].text)) {
            reason = codes[i].reason;
            remedy = codes[i].remedy;
            break;
        }
    }
    struct buf m = begin(f, reason, uri);
    buf_fmt(&m, "answered %d", r->status);
    if (r->body_len > 0) {
        buf_str(&m, ": ");
        failure_quote(&m, r->body, r->body_len, QUOTED_MAX);
    }
    f->retry_after_ms = r->retry_after_ms;
    failure_remedy(f, "%s", remedy);
    return reason;
}

/* ---- 200 ---- */

static enum reason expired(const struct uri *uri, const struct http_response *r, int64_t expires_ms,
                           struct moment now, struct failure *f) {
    char at[TIME_UTC_MAX], here[TIME_UTC_MAX];
    time_format_utc(expires_ms / 1000, at);
    time_format_utc(now.wall_ms / 1000, here);
    struct buf m = begin(f, REASON_BAD_RESPONSE, uri);
    buf_fmt(&m, "answered 200 with credentials that expired at %s; it is %s here", at, here);
    if (r->date_s != 0)
        buf_fmt(&m, ", and the agent's clock is %lld s ahead of ours",
                (long long)(r->date_s - now.wall_ms / 1000));
    failure_remedy(
        f, "compare the node's clock with the real time (chronyc tracking), then look at the agent's log");
    return f->reason;
}

enum reason agent_result(const struct uri *uri, const struct http_response *r, struct moment now,
                         struct credentials *out, struct failure *f) {
    const char *field;
    credentials_wipe(out);
    if (r->result != HTTP_ANSWERED)
        return no_answer(uri, r, f);
    if (r->status != 200)
        return error_answer(uri, r, f);
    enum err e = credentials_parse(r->body, r->body_len, out, &field);
    if (e != ERR_OK) {
        struct buf m = begin(f, REASON_BAD_RESPONSE, uri);
        buf_fmt(&m, "answered 200 with %zu bytes that are no credentials: %s: %s", r->body_len, field,
                err_text(e));
        failure_remedy(
            f, "something other than the EKS Pod Identity Agent answers there, or it is broken: look for a "
               "proxy, and at the agent's log on this node");
        return f->reason;
    }
    if (out->expires_ms <= now.wall_ms) {
        int64_t expires_ms = out->expires_ms;
        credentials_wipe(out);
        return expired(uri, r, expires_ms, now, f);
    }
    return REASON_OK;
}
