/* Apart from http.c, so that what judges answers can be tested without libcurl. */
#include "common/http/http_result.h"

#include <errno.h>

/* Arrays: see agent_error.c. */
static const struct {
    char cause[16], text[64];
} results[HTTP_RESULTS] = {
    [HTTP_REFUSED] = {"refused", "was refused"},
    [HTTP_CONNECT_TIMEOUT] = {"connect-timeout", "timed out while connecting"},
    [HTTP_ANSWER_TIMEOUT] = {"answer-timeout", "connected and timed out while waiting for the whole answer"},
    [HTTP_NO_ROUTE] = {"no-route", "found no route"},
    [HTTP_PROHIBITED] = {"prohibited", "was prohibited on this side"},
    [HTTP_NO_FAMILY] = {"no-family", "could not begin: this pod has no address of that IP version"},
    [HTTP_NO_NAME] = {"no-name", "could not resolve the host name"},
    [HTTP_DNS_ERROR] = {"dns-error", "could not resolve the host name: DNS answered with an error"},
    [HTTP_DNS_SILENT] = {"dns-silent", "could not resolve the host name: DNS did not answer"},
    [HTTP_NO_ANSWER] = {"closed", "connected, and the connection was closed without an answer"},
    [HTTP_CUT_SHORT] = {"cut-short", "got an answer that was cut short"},
    [HTTP_NOT_HTTP] = {"not-http", "got something that is not HTTP"},
    [HTTP_TOO_LARGE] = {"too-large", "got an answer of more than 16384 bytes"},
    [HTTP_PROXY] = {"proxy", "was not let through by the proxy"},
    [HTTP_TLS_UNTRUSTED] = {"tls-untrusted", "got a certificate that no trusted authority signed"},
    [HTTP_TLS_EXPIRED] = {"tls-expired", "got a certificate that is not valid at this time"},
    [HTTP_TLS_NAME] = {"tls-name", "got a certificate for another host"},
    [HTTP_TLS_NO_CA] = {"tls-no-ca", "has no trusted certificates"},
    [HTTP_TLS] = {"tls", "failed to set up TLS"},
    [HTTP_FAILED] = {"failed", "failed"},
};

const char *http_result_cause(enum http_result result) {
    return results[result].cause;
}

const char *http_result_text(enum http_result result) {
    return results[result].text;
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

enum http_result http_result_of_lookup(enum resolver_state state) {
    if (state == RESOLVER_NO_NAME)
        return HTTP_NO_NAME;
    return state == RESOLVER_ERROR ? HTTP_DNS_ERROR : HTTP_DNS_SILENT;
}
