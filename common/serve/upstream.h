/* Lets the event loop drive the HTTP client. */
#ifndef POD_IDENTITY_SERVE_UPSTREAM_H
#define POD_IDENTITY_SERVE_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/serve/loop.h"

/* After loop_open(). sockets is zero, and borrowed: one for each descriptor that libcurl can have open at
 * once; one beyond them is not watched, and its transfer ends by its time limit. False if there is no memory.
 */
bool upstream_open(struct loop_watch *sockets, size_t count);

#endif
