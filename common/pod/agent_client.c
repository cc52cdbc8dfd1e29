#include "common/pod/agent_client.h"

#include <string.h>

#include "common/base/timefmt.h"
#include "common/pod/agent_error.h"
#include "common/text/quote.h"

void agent_client_request(const struct uri *uri, const struct token *token, struct http_header headers[2],
                          struct http_request *out) {
    headers[0] = (struct http_header){"Authorization", token->text};
    headers[1] = (struct http_header){"Accept", "application/json"};
    *out = (struct http_request){
        .method = "GET",
        .url = uri->text,
        .headers = headers,
        .header_count = 2,
        .local = uri_is_local(uri),
        .connect_timeout_ms = AGENT_CLIENT_CONNECT_TIMEOUT_MS,
        .total_timeout_ms = AGENT_CLIENT_TOTAL_TIMEOUT_MS,
    };
}

static struct buf begin(struct failure *f, enum reason reason, const struct uri *uri) {
    struct buf m = failure_begin(f, reason);
    buf_str(&m, "GET ");
    uri_show(uri->text, &m);
    buf_char(&m, ' ');
    return m;
}

/* ---- no answer ---- */

#define AGENT_PODS                                                                                           \
    "kubectl get pods -A -o wide -l 'app.kubernetes.io/name in (eks-pod-identity-agent, "                    \
    "pod-identity-agent)'"
#define REFUSED_REMEDY                                                                                       \
    "nothing listens there: the agent's DaemonSet (add-on eks-pod-identity-agent) is not running on this "   \
    "node, or not "                                                                                          \
    "yet (" AGENT_PODS                                                                                       \
    "): look at its pod's events and at the taints of the node; Fargate has no agent" AGENT_CLIENT_MESH_HINT
#define DROPPED_REMEDY                                                                                       \
    "packets are dropped: look for a NetworkPolicy without egress to 169.254.170.23/32 (or "                 \
    "fd00:ec2::23/128) port 80 (with Cilium an ipBlock cannot match the node: allow it in a "                \
    "CiliumNetworkPolicy with toEntities: [host]), and for a host firewall on the node; if neither, the "    \
    "agent may be hung: " AGENT_PODS
#define HUNG_REMEDY                                                                                          \
    "the agent takes connections, and does not answer: look at " AGENT_LOG_HINT                              \
    ", and whether the node reaches EKS Auth "                                                               \
    "(eks-auth.REGION.api.aws, port 443; VPC endpoint com.amazonaws.REGION.eks-auth) and its own "           \
    "metadata service (IMDS, 169.254.169.254), from which the agent takes the node's credentials"
#define CLOSED_REMEDY                                                                                        \
    "something takes the connection and drops it: the agent is just ending, or a proxy or service mesh "     \
    "takes link-local "                                                                                      \
    "traffic (exclude 169.254.170.23/32 from its redirection); look at " AGENT_LOG_HINT
#define CUT_REMEDY                                                                                           \
    "the connection ended within the answer: the agent failed or was ended meanwhile (look "                 \
    "at " AGENT_LOG_HINT "), or " FAILURE_NOT_AGENT ": look for a proxy"
#define NO_ROUTE_REMEDY                                                                                      \
    "this pod has no route to the agent's link-local address: look at the routes of the pod and of the "     \
    "CNI, which must not "                                                                                   \
    "take 169.254.170.23 for their own"
#define NO_IPV6_REMEDY                                                                                       \
    "this pod has no IPv6, and the agent's IPv6 address was injected: in an IPv4 cluster let "               \
    "AWS_CONTAINER_CREDENTIALS_FULL_URI be http://169.254.170.23/v1/credentials, or switch IPv6 on for the " \
    "pod (its "                                                                                              \
    "network, sysctl net.ipv6.conf.all.disable_ipv6=0); --try-other-family tells whether IPv4 works"
#define NO_IPV4_REMEDY                                                                                       \
    "this pod has no IPv4: in an IPv6 cluster let AWS_CONTAINER_CREDENTIALS_FULL_URI be "                    \
    "http://[fd00:ec2::23]/v1/credentials; --try-other-family tells whether IPv6 works"
#define PROHIBITED_REMEDY                                                                                    \
    "a rule inside this pod or its node rejects the connection: look for a NetworkPolicy or host firewall "  \
    "that rejects "                                                                                          \
    "egress to 169.254.170.23 port 80, and for a route of kind prohibit (ip route get 169.254.170.23)"
#define OTHER_SERVER_REMEDY                                                                                  \
    FAILURE_NOT_AGENT ", or it failed midway: look for a proxy, "                                            \
                      "and at " AGENT_LOG_HINT
#define NAME_REMEDY "use the agent's numeric address: " INJECTION_ADDRESS

#define INJECTION_ADDRESS "http://" URI_EKS_V4 "/v1/credentials"

static const char *silence_remedy(enum http_result result) {
    switch (result) {
    case HTTP_REFUSED:
        return REFUSED_REMEDY;
    case HTTP_CONNECT_TIMEOUT:
        return DROPPED_REMEDY;
    case HTTP_ANSWER_TIMEOUT:
        return HUNG_REMEDY;
    case HTTP_NO_ROUTE:
        return NO_ROUTE_REMEDY;
    case HTTP_PROHIBITED:
        return PROHIBITED_REMEDY;
    case HTTP_NO_FAMILY:
        return NO_IPV4_REMEDY;
    case HTTP_NO_NAME:
    case HTTP_DNS_ERROR:
    case HTTP_DNS_SILENT:
        return NAME_REMEDY;
    case HTTP_NO_ANSWER:
        return CLOSED_REMEDY;
    case HTTP_FAILED:
        return "look at " AGENT_LOG_HINT;
    case HTTP_CUT_SHORT:
        return CUT_REMEDY;
    default:
        return OTHER_SERVER_REMEDY;
    }
}

static enum reason no_answer(const struct uri *uri, const struct http_response *r, struct failure *f) {
    enum http_result result = r->result;
    if (result == HTTP_NO_NAME && uri->kind != URI_HOST_NAME)
        result = HTTP_NO_FAMILY; /* libcurl's way to say that a numeric address has no family here */
    bool bad = result == HTTP_CUT_SHORT || result == HTTP_NOT_HTTP || result == HTTP_TOO_LARGE;
    bool no_ipv6 = uri->ipv6 && (result == HTTP_NO_FAMILY || result == HTTP_NO_ROUTE);
    struct buf m = begin(f, bad ? REASON_BAD_RESPONSE : REASON_AGENT_UNREACHABLE, uri);
    f->cause = no_ipv6 ? "no-ipv6" : http_result_cause(result);
    buf_str(&m, http_result_text(result));
    if (result != HTTP_NO_FAMILY) /* that shows before anything is sent */
        buf_fmt(&m, " after %lld ms", (long long)r->elapsed_ms);
    if (r->detail[0] != '\0')
        buf_fmt(&m, " (%s)", r->detail);
    failure_remedy(f, "%s", no_ipv6 ? NO_IPV6_REMEDY : silence_remedy(result));
    return f->reason;
}

/* ---- an error answer ---- */

static enum reason error_answer(const struct uri *uri, const struct http_response *r, struct failure *f) {
    const struct agent_error error = agent_error_find(r->status, r->body, r->body_len, middlebox_of(r));
    struct buf m = begin(f, error.reason, uri);
    f->cause = error.cause;
    buf_fmt(&m, "answered %d", r->status);
    middlebox_put(r, &m);
    if (r->body_len > 0) {
        buf_str(&m, ": ");
        quote_body(&m, r->body, r->body_len);
    }
    f->retry_after_ms = r->retry_after_ms;
    failure_remedy(f, "%s", error.remedy);
    return f->reason;
}

/* ---- 200 ---- */

static enum reason expired(const struct uri *uri, int64_t expires_ms, struct moment now, struct failure *f) {
    char at[TIME_UTC_MAX], here[TIME_UTC_MAX];
    time_format_utc(expires_ms / 1000, at);
    time_format_utc(now.wall_ms / 1000, here);
    struct buf m = begin(f, REASON_BAD_RESPONSE, uri);
    f->cause = "expired";
    buf_fmt(&m, "answered 200 with credentials that expired at %s; it is %s here", at, here);
    failure_remedy(f, FAILURE_CLOCK ", then look at the agent's log");
    return f->reason;
}

enum reason agent_client_result(const struct uri *uri, const struct http_response *r, struct moment now,
                                struct credentials *out, struct failure *f) {
    const char *field;
    credentials_wipe(out);
    if (r->result != HTTP_ANSWERED)
        return no_answer(uri, r, f);
    if (r->status != 200 || agent_error_is_bare(r->body, r->body_len))
        return error_answer(uri, r, f);
    enum err e = credentials_parse(r->body, r->body_len, out, &field);
    if (e != ERR_OK) {
        struct buf m = begin(f, REASON_BAD_RESPONSE, uri);
        f->cause = "no-credentials";
        buf_fmt(&m, "answered 200 with %zu bytes that are no credentials: %s: %s", r->body_len, field,
                err_text(e));
        failure_remedy(f, FAILURE_NOT_AGENT ", or it is broken: look for a "
                                            "proxy, and at the agent's log on this node");
        return f->reason;
    }
    if (out->expires_ms <= now.wall_ms) {
        int64_t expires_ms = out->expires_ms;
        credentials_wipe(out);
        return expired(uri, expires_ms, now, f);
    }
    return REASON_OK;
}

/* ---- the probe ---- */

void agent_client_probe_request(const struct uri *uri, struct agent_client_probe *probe,
                                struct http_request *out) {
    struct buf url = BUF(probe->url);
    uri_put_origin(uri, &url);
    buf_char(&url, '/');
    *out = (struct http_request){
        .method = "GET",
        .url = probe->url,
        .local = uri_is_local(uri),
        .connect_timeout_ms = AGENT_CLIENT_PROBE_TIMEOUT_MS,
        .total_timeout_ms = AGENT_CLIENT_PROBE_TIMEOUT_MS,
    };
}

bool agent_client_probe_result(const struct http_response *r, struct buf *message) {
    if (r->result != HTTP_ANSWERED) {
        buf_str(message, http_result_text(r->result));
        return false;
    }
    buf_fmt(message, "answered %d", r->status);
    return r->status == 404;
}
