/* What `initialize` asks of the kernel's routing socket (rtnetlink(7)): one link, its addresses, its routes.
 * No `ip` program. */
#ifndef POD_IDENTITY_AGENT_NETLINK_H
#define POD_IDENTITY_AGENT_NETLINK_H

#include <stdbool.h>
#include <stddef.h>

struct netlink_address {
    bool ipv6;
    unsigned char bytes[16]; /* network order; IPv4 uses the first four */
};

/* A descriptor, or -1 with errno. */
int netlink_open(void);

/* All below: 0, or the errno that the kernel answered with. */

/* The link's number and whether it is up. ENODEV: there is none of that name. */
int netlink_find_link(int fd, const char *name, int *index, bool *up);
/* Makes a link of the type dummy. EEXIST if the name is taken. */
int netlink_make_dummy(int fd, const char *name);
int netlink_link_up(int fd, int index);
/* The address with its whole length (/32, /128) on the link; there already is well. */
int netlink_add_address(int fd, int index, const struct netlink_address *address);
/* A host route in the main table over the link; one that is there is replaced. */
int netlink_add_route(int fd, int index, const struct netlink_address *to);
/* Looks in the main table for a host route to that address. *other: the link of one that is not `index`, 0 if
 * there is none. */
int netlink_other_route(int fd, int index, const struct netlink_address *to, int *other);

#endif
