/* What the webhook answers to requests: reviews on one listener, metrics and probes on the other. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_ROUTES_H
#define POD_IDENTITY_AGENT_WEBHOOK_ROUTES_H

#include "agent/webhook/settings.h"
#include "common/serve/server.h"

#define ROUTES_BODY_MAX 262144 /* a review that is looked at; pods have some 10,000 bytes */
#define ROUTES_BODY_READ_MAX                                                                                 \
    (3 << 20) /* of one that is only answered: the API server's own limit for objects */

extern const struct server_handlers routes_review, routes_metrics;
extern const struct request_extras routes_extras; /* of the listener for reviews */

void routes_open(const struct webhook_settings *settings);
/* From now on it is not ready: nobody new should come. */
void routes_ending(void);

#endif
