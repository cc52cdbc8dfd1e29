/* What the EKS webhook gave a pod, if it came before us: it is not asked again, so init and sidecar get the
 * same from here. No I/O. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_DONOR_H
#define POD_IDENTITY_AGENT_WEBHOOK_DONOR_H

#include "agent/webhook/patch.h"
#include "agent/webhook/pod.h"

/* The first container that has a token of Pod Identity or IRSA. False: there is none. */
bool donor_find(const struct pod *pod, struct container *out);

/* The donor's variables and mounts, for a container that has none of that name. */
void donor_env(const struct container *donor, const struct container *c, struct additions *env);
void donor_mounts(const struct container *donor, const struct container *c, struct additions *mounts);

#endif
