/* Who may ask on a Unix socket, beyond what its mode says. */
#ifndef POD_IDENTITY_SERVE_PEERS_H
#define POD_IDENTITY_SERVE_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct peers {
    const uid_t *users; /* borrowed */
    size_t user_count;
    gid_t group; /* (gid_t)-1: none */
};

/* Whether the other end of a connected Unix socket may be answered. With neither users nor a group everybody
 * may whom the socket's mode lets in. Otherwise: a process with one of these user ids, of that group (primary
 * or supplementary), or with our own user id (its probe). What counts is who the process was when it
 * connected, as the kernel tells it (SO_PEERCRED, SO_PEERGROUPS); root is no exception. */
bool peers_allowed(const struct peers *peers, int fd);

/* The user at the other end when it connected; (uid_t)-1 if it is not known. */
uid_t peers_user(int fd);

#endif
