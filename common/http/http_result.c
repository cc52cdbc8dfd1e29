/* Apart from http.c, so that what judges answers can be tested without libcurl. */
#include "common/http/http_result.h"

#include <errno.h>
#include <string.h>

/* In the order of the enumeration, which is asserted. */
#define RESULTS(T)                                                                                           \
    T(HTTP_REFUSED, "refused", "was refused")                                                                \
    T(HTTP_CONNECT_TIMEOUT, "connect-timeout", "timed out while connecting")                                 \
    T(HTTP_ANSWER_TIMEOUT, "answer-timeout", "connected and timed out while waiting for the whole answer")   \
    T(HTTP_PROXY_TIMEOUT, "proxy-timeout",                                                                   \
      "connected to the proxy and timed out while waiting for its answer to CONNECT")                        \
    T(HTTP_TLS_TIMEOUT, "tls-timeout", "connected and timed out while waiting for the TLS answer")           \
    T(HTTP_NO_ROUTE, "no-route", "found no route")                                                           \
    T(HTTP_PROHIBITED, "prohibited", "was prohibited on this side")                                          \
    T(HTTP_NO_FAMILY, "no-family", "could not begin: this pod has no address of that IP version")            \
    T(HTTP_NO_NAME, "no-name", "could not resolve the host name")                                            \
    T(HTTP_DNS_ERROR, "dns-error", "could not resolve the host name: DNS answered with an error")            \
    T(HTTP_DNS_SILENT, "dns-silent", "could not resolve the host name: DNS did not answer")                  \
    T(HTTP_NO_ANSWER, "closed", "connected, and the connection was closed without an answer")                \
    T(HTTP_CUT_SHORT, "cut-short", "got an answer that was cut short")                                       \
    T(HTTP_NOT_HTTP, "not-http", "got an answer that is not valid HTTP")                                     \
    T(HTTP_TOO_LARGE, "too-large", "got an answer of more than 16384 bytes")                                 \
    T(HTTP_PROXY, "proxy", "was not let through by the proxy")                                               \
    T(HTTP_TLS_CLOSED, "tls-closed", "connected, and in the TLS handshake was closed without an answer")     \
    T(HTTP_TLS_UNTRUSTED, "tls-untrusted", "got a certificate that no trusted authority signed")             \
    T(HTTP_TLS_EXPIRED, "tls-expired", "got a certificate that is not valid at this time: it has expired")   \
    T(HTTP_TLS_EARLY, "tls-early", "got a certificate that is not valid at this time: not yet")              \
    T(HTTP_TLS_NAME, "tls-name", "got a certificate for another host")                                       \
    T(HTTP_TLS_NO_CA, "tls-no-ca", "has no trusted certificates")                                            \
    T(HTTP_TLS_CONSTRAINTS, "tls-constraints", "got a chain with name constraints, which are not supported") \
    T(HTTP_TLS_EXTENSION, "tls-extension", "got a certificate with a critical extension that is not known")  \
    T(HTTP_TLS_HASH, "tls-hash", "got a certificate that is signed with a weak hash")                        \
    T(HTTP_TLS_ALGORITHM, "tls-algorithm",                                                                   \
      "got a certificate with a key or signature that is not supported")                                     \
    T(HTTP_TLS_KEY, "tls-key", "got a certificate with a key of a size that is not accepted")                \
    T(HTTP_TLS_USAGE, "tls-usage", "got a certificate that is not for a server")                             \
    T(HTTP_TLS_CHAIN, "tls-chain", "got a certificate chain that is broken")                                 \
    T(HTTP_TLS_VERSION, "tls-version", "found no common version of TLS")                                     \
    T(HTTP_TLS_CIPHER, "tls-cipher", "found no common cipher suite or curve of TLS")                         \
    T(HTTP_TLS, "tls", "failed to set up TLS")                                                               \
    T(HTTP_NO_MEMORY, "memory", "ran out of memory")                                                         \
    T(HTTP_FAILED, "failed", "failed")

#define TEXT(result, cause, text) cause "\0" text "\0"
#define NAME(result, cause, text) IN_##result,

/* With a NUL behind each: arrays would be twice as large, and pointers cost a relocation. */
static const char texts[] = RESULTS(TEXT);

enum { IN_HTTP_ANSWERED, RESULTS(NAME) IN_ALL };
#define SAME(result, cause, text) _Static_assert((int)IN_##result == (int)result, "another order");
RESULTS(SAME)
_Static_assert((int)IN_ALL == (int)HTTP_RESULTS, "one is missing");

static const char *find(enum http_result result, int part) {
    const char *at = texts;
    for (int skip = 2 * ((int)result - 1) + part; skip > 0; skip--)
        at += strlen(at) + 1;
    return at;
}

const char *http_result_cause(enum http_result result) {
    return find(result, 0);
}

const char *http_result_text(enum http_result result) {
    return find(result, 1);
}

enum http_stage http_result_stage(enum http_result result) {
    switch (result) {
    case HTTP_NO_NAME:
    case HTTP_DNS_ERROR:
    case HTTP_DNS_SILENT:
        return HTTP_STAGE_NAME;
    case HTTP_REFUSED:
    case HTTP_CONNECT_TIMEOUT:
    case HTTP_NO_ROUTE:
    case HTTP_PROHIBITED:
    case HTTP_NO_FAMILY:
        return HTTP_STAGE_CONNECT;
    case HTTP_PROXY:
    case HTTP_PROXY_TIMEOUT:
        return HTTP_STAGE_PROXY;
    case HTTP_TLS_TIMEOUT:
        return HTTP_STAGE_TLS;
    default:
        return result >= HTTP_TLS_CLOSED && result <= HTTP_TLS ? HTTP_STAGE_TLS : HTTP_STAGE_ANSWER;
    }
}

bool http_result_silent(enum http_result result) {
    return (result >= HTTP_CONNECT_TIMEOUT && result <= HTTP_TLS_TIMEOUT) || result == HTTP_DNS_SILENT;
}

enum reason http_out_of_memory(struct failure *f) {
    struct buf m = failure_begin(f, REASON_INTERNAL);
    buf_str(&m, "out of memory during a request");
    failure_remedy(f, "raise the container's memory limit");
    return f->reason;
}

enum http_result http_result_of_connect(long os_error) {
    switch (os_error) {
    case ECONNREFUSED:
        return HTTP_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
        return HTTP_NO_ROUTE;
    case EACCES: /* a route of kind "prohibit", or a local firewall rule */
    case EPERM:
    case EINVAL: /* a route of kind "blackhole" */
        return HTTP_PROHIBITED;
    case EAFNOSUPPORT:
    case EADDRNOTAVAIL:
        return HTTP_NO_FAMILY;
    case ETIMEDOUT:
        return HTTP_CONNECT_TIMEOUT;
    default:
        return HTTP_FAILED;
    }
}

enum http_result http_result_of_end(int proxy_status, bool answer_begun) {
    if (proxy_status != 0 && proxy_status / 100 != 2)
        return HTTP_PROXY;
    return answer_begun ? HTTP_CUT_SHORT : HTTP_NO_ANSWER;
}

enum http_result http_result_of_timeout(bool connected, bool ready, const struct http_response *r) {
    if (ready)
        return HTTP_ANSWER_TIMEOUT;
    if (!connected)
        return HTTP_CONNECT_TIMEOUT;
    return r->proxy_variable != NULL && r->proxy_status / 100 != 2 ? HTTP_PROXY_TIMEOUT : HTTP_TLS_TIMEOUT;
}

void http_result_detail(const struct http_response *r, bool in_body, const char *address, struct buf *out) {
    switch (r->result) {
    case HTTP_PROXY:
        if (r->proxy_status != 0)
            buf_fmt(out, "it answered %d to CONNECT", r->proxy_status);
        else
            buf_str(out, "its answer to CONNECT is not HTTP");
        return;
    case HTTP_NOT_HTTP:
        if (in_body && out->len == 0)
            buf_str(out, "its chunks are malformed");
        return;
    case HTTP_PROXY_TIMEOUT:
    case HTTP_TLS_TIMEOUT:
        buf_fmt(out, "TCP reached %s", address);
        return;
    default:
        return;
    }
}

enum http_result http_result_of_lookup(enum resolver_state state) {
    if (state == RESOLVER_NO_NAME)
        return HTTP_NO_NAME;
    return state == RESOLVER_ERROR ? HTTP_DNS_ERROR : HTTP_DNS_SILENT;
}

bool http_result_of_tls(enum http_result result) {
    return result >= HTTP_TLS_UNTRUSTED && result <= HTTP_TLS;
}

#define REISSUE FAILURE_PROXYS
#define LOOK FAILURE_SHOWN_BY

const char *http_result_tls_remedy(enum http_result result) {
    switch (result) {
    case HTTP_TLS_UNTRUSTED:
        return "if a proxy opens TLS here, or the endpoint is private, give its authority's certificate, "
               "with those "
               "of AWS, in --ca-bundle or AWS_CA_BUNDLE, and let the server send every certificate between; "
               "otherwise "
               "another server answers for AWS: do not go on";
    case HTTP_TLS_EXPIRED:
    case HTTP_TLS_EARLY:
        return FAILURE_CLOCK "; if it is right, the server's "
                             "certificate must be renewed" REISSUE;
    case HTTP_TLS_NAME:
        return "another server answers at that name: look at this pod's DNS, at AWS_ENDPOINT_URL and its "
               "like, and for "
               "a proxy; a certificate must have the name or address among its subjectAltNames, the common "
               "name does "
               "not count";
    case HTTP_TLS_NO_CA:
        return "mount a PEM file of certificate authorities, and name it in --ca-bundle, AWS_CA_BUNDLE or "
               "SSL_CERT_FILE, or put it at /etc/ssl/certs/ca-certificates.crt";
    case HTTP_TLS_CONSTRAINTS:
    case HTTP_TLS_EXTENSION:
        return "let an authority without such an extension sign the server's certificate" REISSUE LOOK;
    case HTTP_TLS_HASH:
        return "let the certificate be signed with SHA-256, SHA-384 or SHA-512" REISSUE LOOK;
    case HTTP_TLS_ALGORITHM:
        return "let the certificates have keys of RSA, P-256, P-384 or P-521, and be signed with RSA (PKCS "
               "#1 v1.5) or "
               "ECDSA with SHA-256, SHA-384 or SHA-512" REISSUE LOOK;
    case HTTP_TLS_KEY:
        return "let the certificate be issued for an RSA key of 2048 to 4096 bits" REISSUE LOOK;
    case HTTP_TLS_USAGE:
        return "let the certificate be issued for a server: extended key usage serverAuth, key usage "
               "digitalSignature" REISSUE LOOK;
    case HTTP_TLS_CHAIN:
        return "let the server send its certificate and those of the authorities between, as they were "
               "issued" REISSUE LOOK;
    case HTTP_TLS_VERSION:
        return "let the server speak TLS 1.2: TLS 1.3 alone is not enough here, and older versions are not "
               "spoken; if "
               "no TLS is spoken at that port, the URL must begin with http://, or has the wrong "
               "port" REISSUE;
    case HTTP_TLS_CIPHER:
        return "let the server speak TLS 1.2 with ECDHE and AES-GCM, on P-256, P-384, P-521 or "
               "X25519" REISSUE;
    case HTTP_TLS_CLOSED:
        return "look for a firewall or proxy that ends connections to names which it does not allow (SNI), "
               "and let the "
               "server speak TLS 1.2, which is what is spoken here" LOOK;
    default:
        return "look at what answers there, a server or a proxy that opens TLS, and at its log" LOOK;
    }
}
