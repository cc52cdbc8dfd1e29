/* What `version` prints. */
#ifndef POD_IDENTITY_AGENT_AGENT_VERSION_H
#define POD_IDENTITY_AGENT_AGENT_VERSION_H

#include "common/base/buf.h"
#include "common/base/version.h"

/* The EKS Pod Identity Agent whose flags, texts and metrics this program has. */
#define AGENT_VERSION_MATCHED "0.1.37"
#define AGENT_VERSION_MAX (VERSION_TEXT_MAX + 64)

/* The first line is the real agent's, "EKS Pod Identity Agent version 0.1.37", with the version that we take
 * the place of: whoever compares it asks what can be relied on. Then what runs in fact, as the other programs
 * say it. */
void agent_version(struct buf *out);

#endif
