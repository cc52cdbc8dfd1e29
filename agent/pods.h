/* What pods ask for, and what they get: the order of checks of the EKS Pod Identity Agent, the cache, the
 * limits, and what becomes of a flight.
 *
 * Until a token is trusted (verified whole by us, or byte for byte one that EKS Auth has taken) nothing about
 * it touches what belongs to another. */
#ifndef POD_IDENTITY_AGENT_PODS_H
#define POD_IDENTITY_AGENT_PODS_H

#include "agent/settings.h"
#include "common/serve/server.h"

/* settings are borrowed. After loop_open(), and before the first connection. */
void pods_open(const struct settings *settings);
void pods_close(void);

/* Of the listeners at the pods' addresses. */
extern const struct server_handlers pods_handlers;
extern const struct request_extras pods_extras; /* for the length of their heads */
#define PODS_ROOM (65536 + 1)                   /* of a token, with its NUL: request_room */

/* Associations or keys have changed. */
void pods_reconsider(void);

#endif
