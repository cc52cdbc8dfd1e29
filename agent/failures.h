/* Denials and failures that were answered a moment ago: for one token, from one address, and for nobody else,
 * so that who asks again at once costs upstream nothing. A table of fixed size: the oldest gives way. No I/O.
 */
#ifndef POD_IDENTITY_AGENT_FAILURES_H
#define POD_IDENTITY_AGENT_FAILURES_H

#include "agent/client.h"
#include "agent/exchange.h"
#include "agent/keyed_hash.h"

#define FAILURES_FIRST_MS 1000 /* how long the first one is remembered… */
#define FAILURES_MAX_MS 30000  /* …doubling up to this, as long as it is asked again within that time */

/* The failure that is remembered, or NULL. Valid until the next failures_add(). */
const struct exchange_error *failures_find(const struct keyed_hash *token,
                                           const struct client_address *client, int64_t mono_ms);
void failures_add(const struct keyed_hash *token, const struct client_address *client,
                  const struct exchange_error *error, int64_t mono_ms);
/* It was taken after all. */
void failures_forget(const struct keyed_hash *token, const struct client_address *client);
/* All of them: associations or keys are others now. */
void failures_forget_all(void);
/* How many are remembered now. */
size_t failures_count(int64_t mono_ms);

#endif
