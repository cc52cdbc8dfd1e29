#include "agent/api_server.h"

#include <string.h>

#include "common/base/wipe.h"
#include "common/text/quote.h"

#define HOST_VARIABLE "KUBERNETES_SERVICE_HOST"
#define PORT_VARIABLE "KUBERNETES_SERVICE_PORT"

/* ---- where it is ---- */

static enum reason refuse(struct failure *f, const char *name, const char *value, const char *why) {
    struct buf m = failure_begin(f, REASON_SETTING_INVALID);
    f->permanent = true;
    buf_str(&m, name);
    if (value != NULL) {
        buf_char(&m, '=');
        uri_show(value, &m);
    }
    buf_fmt(&m, " %s", why);
    failure_remedy(f, "run the agent in a pod, where Kubernetes sets " HOST_VARIABLE "; or give "
                      "--api-server=https://HOST:PORT, or the keys as a file (--jwks)");
    return f->reason;
}

static enum reason from_url(struct api_server *s, const char *url, struct failure *f) {
    static struct uri uri;
    enum err e = uri_parse(url, &uri);
    if (e != ERR_OK)
        return refuse(f, "--api-server", url, "is not a URL");
    if (!uri.https || (uri.path[0] != '\0' && strcmp(uri.path, "/") != 0))
        return refuse(f, "--api-server", url, "is not https://HOST or https://HOST:PORT");
    struct buf b = BUF(s->url);
    uri_put_origin(&uri, &b);
    return REASON_OK;
}

static enum reason from_service(struct api_server *s, const char *host, const char *port, struct failure *f) {
    static struct uri uri;
    char text[URI_HOST_MAX + 64];
    struct buf t = BUF(text), url = BUF(s->url), resolved = BUF(s->resolved);
    bool ipv6 = strchr(host, ':') != NULL;
    buf_fmt(&t, ipv6 ? "https://[%s]:%s" : "https://%s:%s", host, port != NULL ? port : "443");
    if (t.overflow || uri_parse(text, &uri) != ERR_OK || uri.path[0] != '\0')
        return refuse(f, HOST_VARIABLE, host,
                      "is not the address of a service, or " PORT_VARIABLE " is not a port");
    if (uri.kind == URI_HOST_NAME ||
        uri.kind == URI_HOST_LOCALHOST) { /* some set it to the server's own name */
        uri_put_origin(&uri, &url);
        return REASON_OK;
    }
    buf_fmt(&url, "https://" API_SERVER_HOST ":%u", (unsigned)uri.port);
    buf_fmt(&resolved, ipv6 ? "+" API_SERVER_HOST ":%u:[%s]" : "+" API_SERVER_HOST ":%u:%s",
            (unsigned)uri.port, uri.host);
    return REASON_OK;
}

static bool put_file(struct buf *out, const char *folder, const char *name) {
    buf_fmt(out, "%s/%s", folder, name);
    return !out->overflow;
}

enum reason api_server_open(struct api_server *s, const char *override, const char *folder,
                            injection_getenv *lookup, struct failure *f) {
    const char *host = lookup(HOST_VARIABLE);
    memset(s, 0, sizeof *s);
    if (folder == NULL)
        folder = API_SERVER_FOLDER;
    struct buf ca = BUF(s->ca_file), token = BUF(s->token_file);
    if (!put_file(&ca, folder, "ca.crt") || !put_file(&token, folder, "token"))
        return refuse(f, "the folder", folder, "has too long a name");
    if (override != NULL)
        return from_url(s, override, f);
    if (host == NULL || host[0] == '\0')
        return refuse(f, HOST_VARIABLE, NULL, "is not set, so that the API server's address is not known");
    return from_service(s, host, lookup(PORT_VARIABLE), f);
}

/* ---- requests ---- */

enum reason api_server_request(const struct api_server *s, const char *method, const char *path,
                               const char *body, size_t body_len, struct api_call *call,
                               struct http_request *out, struct failure *f) {
    struct buf url = BUF(call->url), authorization = BUF(call->authorization);
    enum reason reason = token_file_read(s->token_file, &call->token, f);
    if (reason != REASON_OK)
        return reason;
    buf_fmt(&url, "%s%s", s->url, path);
    buf_str(&authorization, "Bearer ");
    buf_put(&authorization, call->token.text, call->token.len);
    token_wipe(&call->token);
    if (url.overflow || authorization.overflow) {
        struct buf m = failure_begin(f, REASON_INTERNAL);
        buf_str(&m, "the request to the API server is longer than it may be");
        failure_remedy(f, "shorten the names in --associations");
        return f->reason;
    }
    call->headers[0] = (struct http_header){"Authorization", call->authorization};
    call->headers[1] = (struct http_header){"Accept", "application/json, application/jwk-set+json"};
    bool patch = strcmp(method, "PATCH") == 0;
    call->headers[2] =
        (struct http_header){"Content-Type", patch ? "application/json-patch+json" : "application/json"};
    *out = (struct http_request){.method = method,
                                 .url = call->url,
                                 .headers = call->headers,
                                 .header_count = body != NULL ? 3 : 2,
                                 .body = body,
                                 .body_len = body_len,
                                 .local = true, /* the cluster's own network: never by a proxy */
                                 .connect_timeout_ms = API_SERVER_CONNECT_MS,
                                 .total_timeout_ms = API_SERVER_TIMEOUT_MS,
                                 .ca_file = s->ca_file,
                                 .resolved = s->resolved[0] != '\0' ? s->resolved : NULL};
    return REASON_OK;
}

void api_call_wipe(struct api_call *call) {
    wipe(call->authorization, strlen(call->authorization));
}

/* ---- failures ---- */

static struct buf begin(const struct api_server *s, const char *path, const char *purpose, enum reason reason,
                        struct failure *f) {
    struct buf m = failure_begin(f, reason);
    buf_str(&m, s->url);
    buf_printable(&m, path, strcspn(path, "?"), 200);
    if (s->resolved[0] != '\0')
        buf_fmt(&m, " at %s", strchr(strchr(s->resolved, ':') + 1, ':') + 1);
    buf_fmt(&m, ", asked to %s, ", purpose);
    return m;
}

static const char *remedy_of(int status) {
    switch (status) {
    case 401:
        return "the API server does not take the agent's own token: look at the node's clock, and at "
               "automountServiceAccountToken of the agent's pod";
    case 403:
        return "give the agent's service account the right that the message names: apply the Role and "
               "RoleBinding "
               "of the manifests (the keys: ClusterRole system:service-account-issuer-discovery)";
    case 404:
        return "check the namespace and name in --associations=configmap:NAMESPACE/NAME, and that "
               "--api-server is "
               "an API server";
    default:
        return FAILURE_WAIT "the log of the kube-apiserver";
    }
}

enum reason api_server_failed(const struct api_server *s, const char *path, const char *purpose,
                              const struct http_response *r, struct failure *f) {
    bool tls = http_result_of_tls(r->result) || r->result == HTTP_TLS_CLOSED;
    if (r->result == HTTP_ANSWERED) {
        enum reason reason = r->status == 401 || r->status == 403   ? REASON_ACCESS_DENIED
                             : r->status >= 500 || r->status == 429 ? REASON_THROTTLED
                                                                    : REASON_BAD_RESPONSE;
        struct buf m = begin(s, path, purpose, reason, f);
        buf_fmt(&m, "answered %d", r->status);
        if (r->body_len > 0) {
            buf_str(&m, ": ");
            quote_body(&m, r->body, r->body_len);
        }
        f->cause = r->status == 403 ? "forbidden" : r->status == 401 ? "unauthorized" : "status";
        f->retry_after_ms = r->retry_after_ms;
        failure_remedy(f, "%s", remedy_of(r->status));
        return f->reason;
    }
    struct buf m = begin(s, path, purpose, tls ? REASON_TLS_FAILED : REASON_AWS_UNREACHABLE, f);
    f->cause = http_result_cause(r->result);
    buf_fmt(&m, "%s after %lld ms", http_result_text(r->result), (long long)r->elapsed_ms);
    if (r->detail[0] != '\0')
        buf_fmt(&m, " (%s)", r->detail);
    if (tls)
        failure_remedy(f, "the API server is verified by %s: check that this is the cluster's authority",
                       s->ca_file);
    else if (r->result == HTTP_REFUSED || r->result == HTTP_CONNECT_TIMEOUT || r->result == HTTP_NO_ROUTE ||
             r->result == HTTP_PROHIBITED || r->result == HTTP_NO_FAMILY)
        failure_remedy(f, "let the node reach the API server: look at " HOST_VARIABLE
                          ", at kube-proxy or what takes "
                          "its place, at the node's firewall and at the API server itself");
    else
        failure_remedy(
            f, FAILURE_WAIT
            "what answers at the API server's address: it, or a proxy or firewall on the way to it");
    return f->reason;
}
