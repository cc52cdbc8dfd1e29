/* The variable NO_PROXY: whether a list of hosts covers that of a request. */
#ifndef POD_IDENTITY_HTTP_NO_PROXY_H
#define POD_IDENTITY_HTTP_NO_PROXY_H

#include "common/text/uri.h"

/* With this program's rules, which are curl's, and take more: hosts, addresses and networks (169.254.0.0/16)
 * separated by commas or blanks, "*" for all; a name covers what is below it. NULL or "" covers nothing. */
bool no_proxy_covers(const char *list, const struct uri *uri);

#endif
