/* /healthz and /readyz on the probe port, and these with /metrics on the metrics address. */
#ifndef POD_IDENTITY_AGENT_ADMIN_H
#define POD_IDENTITY_AGENT_ADMIN_H

#include "agent/settings.h"
#include "common/serve/server.h"

extern const struct server_handlers admin_probe_handlers, admin_metrics_handlers;

void admin_open(const struct settings *settings);

#endif
