/* Certificate, key and authority of clients, as the settings name them. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_CERTIFICATE_LOAD_H
#define POD_IDENTITY_AGENT_WEBHOOK_CERTIFICATE_LOAD_H

#include "agent/webhook/settings.h"
#include "common/serve/tls_server.h"

/* As tls_server_load(). */
enum tls_server_loaded certificate_load(const struct webhook_settings *settings, struct failure *failure);

#endif
