/* Who may ask on the Unix socket, beyond what its mode says. */
#ifndef POD_IDENTITY_PEERS_H
#define POD_IDENTITY_PEERS_H

#include <stdbool.h>

#include "sidecar/config.h"

/* config is borrowed. */
void peers_open(const struct config *config);

/* Whether the other end of a connected Unix socket may be answered. With neither --allow-uid nor
 * --socket-group everybody may whom the socket's mode lets in. Otherwise: a process with one of these user
 * ids, of that group (primary or supplementary), or with the sidecar's own user id (its probe). What counts
 * is who the process was when it connected, as the kernel tells it (SO_PEERCRED, SO_PEERGROUPS); root is no
 * exception. */
bool peers_allowed(int fd);

#endif
