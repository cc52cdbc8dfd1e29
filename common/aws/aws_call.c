#include "common/aws/aws_call.h"

#include <string.h>

#include "common/base/wipe.h"
#include "common/http/middlebox.h"

/* The same path is sent and signed, and the same host: as libcurl puts it into the Host header. */
static size_t put_url(const struct aws_target *t, struct buf *url, struct buf *host) {
    const struct uri *uri = &t->endpoint->uri;
    size_t len = strlen(uri->path), scheme = uri->https ? sizeof "https://" - 1 : sizeof "http://" - 1;
    uri_put_origin(uri, url);
    size_t origin = url->len;
    buf_put(host, url->data + scheme, origin - scheme);
    while (len > 0 && uri->path[len - 1] == '/')
        len--;
    buf_put(url, uri->path, len);
    buf_str(url, t->path);
    return origin;
}

static enum err sign(struct aws_call *call, const struct aws_target *t, const char *path,
                     const struct credentials *signer, int64_t unix_s) {
    const struct sigv4_header signed_headers[] = {
        {"content-type", t->type},
        {"host", call->host},
        {"x-amz-date", call->date},
        {"x-amz-security-token", signer->session_token},
    };
    const struct sigv4_request request = {
        .method = "POST",
        .path = path,
        .query = "",
        .headers = signed_headers,
        .header_count = signer->session_token[0] != '\0' ? 4 : 3,
        .body = call->body,
        .body_len = call->body_len,
    };
    const struct sigv4_scope scope = {
        .access_key_id = signer->access_key_id,
        .secret_access_key = signer->secret_access_key,
        .region = t->endpoint->region,
        .service = t->service,
        .unix_s = unix_s,
    };
    struct buf authorization = BUF(call->authorization);
    return sigv4_authorization(&scope, &request, &call->scratch, &authorization);
}

enum err aws_call_request(struct aws_call *call, const struct aws_target *t, const struct credentials *signer,
                          int64_t unix_s, struct http_request *out) {
    struct buf url = BUF(call->url), host = BUF(call->host);
    struct http_header *h = call->headers;
    size_t origin = put_url(t, &url, &host);
    if (url.overflow || host.overflow)
        return ERR_TOO_LONG;
    *h++ = (struct http_header){"Content-Type", t->type};
    *h++ = (struct http_header){"User-Agent", "pod-identity-toolkit"};
    if (signer != NULL) {
        time_format_basic(unix_s, call->date);
        enum err e = sign(call, t, call->url + origin, signer, unix_s);
        if (e != ERR_OK)
            return e;
        *h++ = (struct http_header){"X-Amz-Date", call->date};
        *h++ = (struct http_header){"Authorization", call->authorization};
        if (signer->session_token[0] != '\0')
            *h++ = (struct http_header){"X-Amz-Security-Token", signer->session_token};
    }
    *out = (struct http_request){
        .method = "POST",
        .url = call->url,
        .headers = call->headers,
        .header_count = (size_t)(h - call->headers),
        .body = call->body,
        .body_len = call->body_len,
        .local = uri_is_local(&t->endpoint->uri),
        .connect_timeout_ms = AWS_CALL_CONNECT_MS,
        .total_timeout_ms = AWS_CALL_TOTAL_MS,
    };
    return ERR_OK;
}

void aws_call_wipe(struct aws_call *call) {
    wipe(call->body, call->body_len);
    wipe(call->authorization, sizeof call->authorization);
    call->body_len = 0;
}

struct buf aws_call_begin(const struct aws_target *t, enum reason reason, struct failure *f) {
    char text[320];
    struct buf m = failure_begin(f, reason), url = BUF(text);
    uri_put_origin(&t->endpoint->uri, &url);
    buf_str(&m, "POST ");
    buf_printable(&m, text, url.len, 260);
    buf_fmt(&m, " (%s", t->action);
    if (t->object[0] != '\0') {
        buf_char(&m, ' ');
        buf_printable(&m, t->object, strlen(t->object), 160);
    }
    buf_str(&m, ") ");
    return m;
}

/* ---- no answer ---- */

#define DNS_SILENT_REMEDY                                                                                    \
    "let this pod reach its DNS server, the nameserver in /etc/resolv.conf, on port 53, UDP and TCP: look "  \
    "for a NetworkPolicy without egress to it, at CoreDNS (kubectl -n kube-system get pods -l "              \
    "k8s-app=kube-dns), and at a node-local DNS cache if there is one"
#define DNS_ERROR_REMEDY                                                                                     \
    "look at the log of CoreDNS (kubectl -n kube-system logs -l k8s-app=kube-dns) and at the servers that "  \
    "it forwards to; in a VPC without internet, at the interface endpoint com.amazonaws.%s.%s and its "      \
    "private DNS"

/* What drops packets, and what rejects them, which security groups and routes never do. */
#define AND_BLOCKERS ", and at NetworkPolicies, security groups and routes"
#define AND_REJECTERS ", and at NetworkPolicies and firewalls that reject"

/* The proxy is what failed, or could not be reached. */
static void put_proxy_remedy(const struct aws_target *t, const struct http_response *r, struct failure *f) {
    const char *host = t->endpoint->uri.host, *variable = r->proxy_variable;
    unsigned port = t->endpoint->uri.port;
    if (r->result == HTTP_PROXY_TIMEOUT || r->result == HTTP_NO_ANSWER) { /* TCP reached it */
        failure_remedy(f,
                       "look at the log of the proxy in %s, at its DNS and its way out to %s port %u, and "
                       "whether that is "
                       "the port of an HTTP proxy; or add the host to NO_PROXY, if this pod reaches it "
                       "directly",
                       variable, host, port);
        return;
    }
    switch (r->proxy_status) {
    case 0:
        failure_remedy(f,
                       "check %s, and that this pod reaches that proxy: look at its name and its port%s; or "
                       "add %s to NO_PROXY",
                       variable,
                       r->result == HTTP_CONNECT_TIMEOUT                           ? AND_BLOCKERS
                       : r->result == HTTP_REFUSED || r->result == HTTP_PROHIBITED ? AND_REJECTERS
                                                                                   : "",
                       host);
        return;
    case 407:
        failure_remedy(f,
                       "the proxy wants a user and password that it knows, or does not take Basic "
                       "authentication: let %s be "
                       "http://USER:PASSWORD@HOST:PORT, percent-encoded; or add %s to NO_PROXY",
                       variable, host);
        return;
    case 502:
    case 503:
    case 504:
        failure_remedy(f,
                       "the proxy does not reach %s port %u: look at its log, its DNS and its way out; or "
                       "add the host to "
                       "NO_PROXY, if this pod reaches it directly",
                       host, port);
        return;
    default:
        failure_remedy(f,
                       "the proxy in %s must let CONNECT %s:%u through: look at its rules and its log; or "
                       "add the host to "
                       "NO_PROXY",
                       variable, host, port);
        return;
    }
}

static bool of_proxy(const struct http_response *r) {
    if (r->result == HTTP_PROXY || r->result == HTTP_PROXY_TIMEOUT)
        return true;
    return r->proxy_variable != NULL && r->proxy_status == 0 &&
           (r->result == HTTP_REFUSED || r->result == HTTP_CONNECT_TIMEOUT || r->result == HTTP_NO_ROUTE ||
            r->result == HTTP_PROHIBITED || r->result == HTTP_NO_FAMILY || r->result == HTTP_NO_ANSWER);
}

#define NO_TLS_HINT                                                                                          \
    "; if no TLS is spoken at that port, the URL must begin with http://, or has the wrong port"
#define LET_REACH "let this pod reach %s port %u: look at "
#define MESH_HINT FAILURE_MESH FAILURE_ISTIO "Ports: \"443\" or " FAILURE_LINKERD "\"443\""

static void put_remedy(const struct aws_target *t, enum http_result result, struct failure *f) {
    const char *region = t->endpoint->region, *host = t->endpoint->uri.host;
    unsigned port = t->endpoint->uri.port;
    if (http_result_of_tls(result) || result == HTTP_TLS_CLOSED) {
        failure_remedy(f, "%s", http_result_tls_remedy(result));
        return;
    }
    switch (result) {
    case HTTP_NO_NAME:
        failure_remedy(
            f,
            "check the region's name (%s comes from %s), this pod's DNS (/etc/resolv.conf), and in a VPC "
            "without internet the interface endpoint com.amazonaws.%s.%s with private DNS",
            region, t->endpoint->origin, region, t->service);
        return;
    case HTTP_DNS_SILENT:
        failure_remedy(f, "%s", DNS_SILENT_REMEDY);
        return;
    case HTTP_DNS_ERROR:
        failure_remedy(f, DNS_ERROR_REMEDY, region, t->service);
        return;
    case HTTP_TLS_TIMEOUT:
        failure_remedy(f,
                       "look for a firewall or proxy on the way to %s port %u that takes connections and "
                       "drops what follows, and for large packets that get lost on the way (path MTU)%s",
                       host, port, t->endpoint->accused != NULL ? NO_TLS_HINT : "");
        return;
    case HTTP_ANSWER_TIMEOUT:
    case HTTP_NO_ANSWER:
    case HTTP_CUT_SHORT:
        failure_remedy(f,
                       FAILURE_WAIT "what answers at %s port %u: the server, or a proxy or firewall on the "
                                    "way to it",
                       host, port);
        return;
    case HTTP_REFUSED:
    case HTTP_PROHIBITED:
        failure_remedy(f, LET_REACH "HTTPS_PROXY" AND_REJECTERS "%s", host, port,
                       result == HTTP_REFUSED ? MESH_HINT : " (ip route get tells of a route that does)");
        return;
    case HTTP_NO_FAMILY:
        failure_remedy(f, LET_REACH "HTTPS_PROXY, and at the pod's addresses", host, port);
        return;
    case HTTP_CONNECT_TIMEOUT:
    case HTTP_NO_ROUTE:
        failure_remedy(f,
                       LET_REACH "HTTPS_PROXY%s; in a VPC without internet make the interface endpoint "
                                 "com.amazonaws.%s.%s",
                       host, port, result == HTTP_NO_ROUTE ? ", and at routes and firewalls" : AND_BLOCKERS,
                       region, t->service);
        return;
    default:
        failure_remedy(f, FAILURE_WAIT "the way from this pod to %s port %u", host, port);
        return;
    }
}

/* A setting led to this host, which the region alone would not have. */
static void accuse(const char *setting, struct failure *f) {
    char rest[FAILURE_REMEDY_MAX];
    memcpy(rest, f->remedy, sizeof rest);
    failure_remedy(f, "%s led to this host: take it out if that is not meant; otherwise %s", setting, rest);
}

static enum reason reason_of(enum http_result result) {
    switch (result) {
    case HTTP_CUT_SHORT:
    case HTTP_NOT_HTTP:
    case HTTP_TOO_LARGE:
        return REASON_BAD_RESPONSE;
    default:
        return http_result_of_tls(result) ? REASON_TLS_FAILED : REASON_AWS_UNREACHABLE;
    }
}

enum reason aws_call_unanswered(const struct aws_target *t, const struct http_response *r,
                                struct failure *f) {
    struct buf m = aws_call_begin(t, reason_of(r->result), f);
    f->cause = http_result_cause(r->result);
    buf_str(&m, http_result_text(r->result));
    if (r->result != HTTP_TLS_NO_CA && r->result != HTTP_NO_FAMILY)
        buf_fmt(&m, " after %lld ms", (long long)r->elapsed_ms);
    if (r->detail[0] != '\0')
        buf_fmt(&m, " (%s)", r->detail);
    if (of_proxy(r))
        put_proxy_remedy(t, r, f);
    else if (r->result == HTTP_NOT_HTTP || r->result == HTTP_TOO_LARGE)
        aws_call_stranger(t, r, f);
    else
        put_remedy(t, r->result, f);
    if (f->reason == REASON_AWS_UNREACHABLE && t->endpoint->accused != NULL && !of_proxy(r))
        accuse(t->endpoint->accused, f);
    return f->reason;
}

/* ---- answers that make no sense ---- */

void aws_call_stranger(const struct aws_target *t, const struct http_response *r, struct failure *f) {
    /* In the order of enum middlebox, each with its NUL. */
    static const char known[] =
        "look for a proxy\0"
        "Envoy, the proxy of a service mesh. Let it pass there: a ServiceEntry, or annotation " FAILURE_ISTIO
        "Ports: \"443\"\0"
        "Linkerd's proxy. Let it pass there: annotation " FAILURE_LINKERD "\"443\"\0"
        "a proxy. Look at HTTPS_PROXY and NO_PROXY, and at what that proxy lets through\0"
        "a web server, proxy or captive portal. Look at this pod's DNS\0"
        "a proxy, firewall or captive portal that shows a page. Look at this pod's DNS";
    const char *who = known;
    const char *service = strcmp(t->service, "sts") == 0 ? "STS" : "EKS Auth";
    enum middlebox box = middlebox_of(r);
    for (int i = 0; i < (int)box; i++)
        who += strlen(who) + 1;
    if (box == MIDDLEBOX_NONE && r->who.amazon)
        failure_remedy(f, "AWS itself answers without a reason: " FAILURE_WAIT "the AWS "
                          "Health Dashboard");
    else
        failure_remedy(f, "something other than %s answers there: %s, and at AWS_ENDPOINT_URL and its like",
                       service, who);
}

enum reason aws_call_nonsense(const struct aws_target *t, const struct http_response *r, const char *part,
                              enum err e, struct failure *f) {
    struct buf m = aws_call_begin(t, REASON_BAD_RESPONSE, f);
    f->cause = "nonsense";
    buf_str(&m, "answered 200");
    middlebox_put(r, &m);
    buf_fmt(&m, " with %zu bytes that are not what was asked for: %s: %s", r->body_len, part, err_text(e));
    aws_call_stranger(t, r, f);
    return f->reason;
}

enum reason aws_call_expired(const struct aws_target *t, int64_t expires_ms, int64_t now_ms,
                             struct failure *f) {
    char at[TIME_UTC_MAX], here[TIME_UTC_MAX];
    time_format_utc(expires_ms / 1000, at);
    time_format_utc(now_ms / 1000, here);
    struct buf m = aws_call_begin(t, REASON_BAD_RESPONSE, f);
    f->cause = "expired";
    buf_fmt(&m, "answered with credentials that expired at %s; it is %s", at, here);
    failure_remedy(f, FAILURE_CLOCK);
    return f->reason;
}
