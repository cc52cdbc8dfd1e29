/* The variable NO_PROXY: whether a list of hosts covers the address of a local endpoint. For warnings only:
 * this program never sends a local request through a proxy. */
#ifndef POD_IDENTITY_NO_PROXY_H
#define POD_IDENTITY_NO_PROXY_H

#include "common/text/uri.h"

/* list: hosts, addresses and networks (169.254.0.0/16) separated by commas or blanks, "*" for all; NULL or ""
 * covers nothing. A network counts, although curl before 7.86 and some languages do not understand it: those
 * that use a proxy for credentials (Go) do. */
bool no_proxy_covers(const char *list, const struct uri *uri);

#endif
