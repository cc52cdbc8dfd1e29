/* Which proxy the environment names for a request of this program: HTTPS_PROXY, ALL_PROXY and NO_PROXY, read
 * as curl reads them. No text that is made here holds a password. */
#ifndef POD_IDENTITY_HTTP_PROXY_H
#define POD_IDENTITY_HTTP_PROXY_H

#include "common/base/err.h"
#include "common/http/no_proxy.h"
#include "common/text/uri.h"

#define PROXY_USER_MAX 511 /* user and password, percent-encoded */
#define PROXY_AUTHORIZATION_MAX (6 + (PROXY_USER_MAX + 2) / 3 * 4 + 1)

struct proxy {
    const char *variable;    /* the one that named it; NULL: none is used */
    char host[URI_HOST_MAX]; /* without brackets */
    uint16_t port;
    enum uri_host kind;
    char authorization[PROXY_AUTHORIZATION_MAX]; /* "Basic …" for its header, or ""; a secret */
};

/* Fills in `out` for a request to that URI: nothing is used for what is local, or covered by NO_PROXY.
 * Otherwise an error of uri_parse()'s kinds for a variable that cannot be used, with *problem in words
 * (static text, what stands behind "HTTPS_PROXY "). */
enum err proxy_find(proxy_lookup *lookup, const struct uri *uri, struct proxy *out, const char **problem);

#endif
