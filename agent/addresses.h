/* The addresses that pods ask at, bound while the process may still do that. */
#ifndef POD_IDENTITY_AGENT_ADDRESSES_H
#define POD_IDENTITY_AGENT_ADDRESSES_H

#include "agent/settings.h"

/* Tries those that are not bound yet, and tells probes.h how each stands. True if none is left that this node
 * has, and one at least is bound: then they can be listened on. */
bool addresses_bind(const struct settings *settings);

/* The descriptor of host number i, or -1. It is the caller's then. */
int addresses_take(size_t i);

#endif
