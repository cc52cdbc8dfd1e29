/* Credentials that come with their end behind them, as AWS hands them out in an outage of its own: with
 * --expired=pass they go on to the pod, and nobody keeps them. */
#ifndef POD_IDENTITY_AGENT_EXPIRED_H
#define POD_IDENTITY_AGENT_EXPIRED_H

#include "agent/exchange.h"
#include "agent/flights.h"

/* Whether what has come for that flight is worse than what its pod has: expired, where that is still good.
 * Then slot->error says so, as of a fetch that failed. */
bool expired_worse(const struct flight *f, struct exchange *slot, struct moment now);

/* For the log and the metrics: what has come is handed out. */
void expired_note(const struct exchange *slot, struct moment now);

#endif
