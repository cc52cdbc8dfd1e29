/* Whether the pod shares the node's network (hostNetwork): then loopback is every process's of the node. */
#ifndef POD_IDENTITY_SIDECAR_HOST_NETWORK_H
#define POD_IDENTITY_SIDECAR_HOST_NETWORK_H

#include <stdbool.h>

#include "common/base/buf.h"

enum host_network_policy { HOST_NETWORK_REFUSE, HOST_NETWORK_ACCEPT };

/* True if it does, as far as can be seen: the agent's address is one of this network's own, or it has links
 * that only a node has. why: by what it was seen, in words. */
bool host_network_seen(struct buf *why);

#endif
