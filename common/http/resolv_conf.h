/* How names are resolved here: /etc/resolv.conf and /etc/hosts, read afresh for each name, with glibc's
 * rules. */
#ifndef POD_IDENTITY_HTTP_RESOLV_CONF_H
#define POD_IDENTITY_HTTP_RESOLV_CONF_H

#include "common/http/dns_message.h"

#define RESOLV_CONF_FILE "/etc/resolv.conf"
#define RESOLV_HOSTS_FILE "/etc/hosts"
#define RESOLV_SERVERS_MAX 3 /* resolv.conf(5): the first three count */

struct resolv_conf {
    struct dns_address servers[RESOLV_SERVERS_MAX];
    size_t count; /* 0: none of those that are named is a numeric address without a zone */
    unsigned ndots, timeout_s, attempts;
};

/* Without a file, or without a nameserver in it: 127.0.0.1 and the defaults. */
void resolv_conf_read(const char *path, struct resolv_conf *out);

/* The domain number n, from 0, of the search list; false if there is none. "" is one that is too long for any
 * name. */
bool resolv_conf_search(const char *path, size_t n, char out[DNS_NAME_MAX]);

/* The addresses that the file has for that name; whether there were any. */
bool resolv_hosts(const char *path, const char *name, struct dns_addresses *out);

#endif
