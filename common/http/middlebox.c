#include "common/http/middlebox.h"

#include <string.h>

#include "common/text/quote.h"

static bool begins(const char *text, const char *name) {
    return strncasecmp(text, name, strlen(name)) == 0;
}

/* Envoy and HAProxy say some things in plain text, with or without a header. */
static bool body_begins(const struct http_response *r, const char *text) {
    return r->body_len >= strlen(text) && memcmp(r->body, text, strlen(text)) == 0;
}

enum middlebox middlebox_of(const struct http_response *r) {
    if (r->who.linkerd)
        return MIDDLEBOX_LINKERD;
    if (begins(r->who.server, "envoy") || begins(r->who.server, "istio") ||
        body_begins(r, "upstream connect error") || body_begins(r, "no healthy upstream") ||
        body_begins(r, "RBAC: access denied"))
        return MIDDLEBOX_ENVOY;
    if (r->who.via[0] != '\0' || begins(r->who.server, "squid"))
        return MIDDLEBOX_PROXY;
    if (r->who.server[0] != '\0')
        return MIDDLEBOX_SERVER;
    return quote_is_page(r->body, r->body_len) ? MIDDLEBOX_PAGE : MIDDLEBOX_NONE;
}

void middlebox_put(const struct http_response *r, struct buf *m) {
    const char *open = " (";
    const char *const said[][2] = {{"Server: ", r->who.server}, {"Via: ", r->who.via}};
    for (size_t i = 0; i < 2; i++) {
        if (said[i][1][0] == '\0')
            continue;
        buf_fmt(m, "%s%s", open, said[i][0]);
        quote_text(m, said[i][1], strlen(said[i][1]), HTTP_SERVER_MAX);
        open = ", ";
    }
    if (r->who.linkerd)
        buf_fmt(m, "%san l5d-proxy-error", open);
    if (r->who.linkerd || open[0] == ',')
        buf_char(m, ')');
}
