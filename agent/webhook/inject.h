/* The patch of one pod, by whichever injections it gets. No I/O. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_INJECT_H
#define POD_IDENTITY_AGENT_WEBHOOK_INJECT_H

#include "agent/webhook/identity.h"
#include "agent/webhook/toolkit.h"

/* identity, toolkit: NULL if it does not get that. Adds nothing that is there. */
void inject(const struct pod *pod, const struct identity_plan *identity, const struct toolkit_plan *toolkit,
            struct patch *patch);

#endif
