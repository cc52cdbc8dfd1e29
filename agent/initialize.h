/* `initialize`: gives the node the two addresses that pods ask at, as the EKS Pod Identity Agent's init
 * container does. */
#ifndef POD_IDENTITY_AGENT_INITIALIZE_H
#define POD_IDENTITY_AGENT_INITIALIZE_H

#include "common/base/buf.h"

#define INITIALIZE_LINK "pod-id-link0"

/* Needs CAP_NET_ADMIN in the node's network namespace. Nothing is done twice, and nothing is undone at the
 * end. True if the IPv4 address can be used afterwards; what failed about IPv6 alone is logged. False, with a
 * line for the user in problem. */
bool initialize(struct buf *problem);

#endif
