/* Who gives way on a listener that would rather let newcomers wait in the kernel's queue than cut off what
 * has begun: only those that have stalled for real. */
#ifndef POD_IDENTITY_SERVE_PATIENCE_H
#define POD_IDENTITY_SERVE_PATIENCE_H

#include "common/serve/connections.h"

/* Without a step to its next phase, and with nothing said that we have not read: a newcomer in a crowd may
 * have to wait for its turn of computing. A flood of the silent still passes through the places in seconds.
 */
#define PATIENCE_MS 1000
/* Since its client was last sent something, which may have to wait for a CPU: all of a crowd have theirs from
 * the same few. Under a third of what an API server waits for an answer. */
#define PATIENCE_TOLD_MS 3000

/* For server_listener.spare. */
struct connection *patience_spare(const struct connection_group *group);

/* Whether the client has said something that nobody has read: then the delay is ours. */
bool patience_unread(const struct connection *c);

#endif
