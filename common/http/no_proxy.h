/* The variable NO_PROXY: whether a list of hosts covers that of a request. */
#ifndef POD_IDENTITY_HTTP_NO_PROXY_H
#define POD_IDENTITY_HTTP_NO_PROXY_H

#include "common/text/uri.h"

/* With this program's rules, which are curl's, and take more: hosts, addresses and networks (169.254.0.0/16)
 * separated by commas or blanks, "*" for all; a name covers what is below it. NULL or "" covers nothing. */
bool no_proxy_covers(const char *list, const struct uri *uri);

typedef const char *proxy_lookup(const char *name); /* a variable of the environment, or NULL */

/* With the rules of those SDKs that ask a proxy for credentials, read in their sources.
 * Go (golang.org/x/net/http/httpproxy): the first of NO_PROXY and no_proxy that is not empty; commas only;
 * networks; an IPv6 address without brackets, or with brackets and port; a port must be the request's. Kotlin
 * (smithy-kotlin EnvironmentProxySelector): both variables; commas and blanks; no networks, no IPv6. */
bool no_proxy_of_go(proxy_lookup *lookup, const struct uri *uri);
bool no_proxy_of_kotlin(proxy_lookup *lookup, const struct uri *uri);

#endif
