/* What AWS's settings are taken from. */
#ifndef POD_IDENTITY_AGENT_FLAGS_LOOKUP_H
#define POD_IDENTITY_AGENT_FLAGS_LOOKUP_H

#include "agent/settings.h"
#include "common/pod/injection.h"

/* getenv() for whatever asks after settings of AWS: what --endpoint, --sts-endpoint and --region say takes
 * the place of its variable, and AWS_CONTAINER_… is never there. `settings` is borrowed from then on. */
void flags_lookup_open(const struct settings *settings);
injection_getenv flags_lookup;

#endif
