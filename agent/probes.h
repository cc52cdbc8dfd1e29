/* /healthz and /readyz, on 127.0.0.1 at --probe-port and on the metrics address, and the command `probe`.
 * They look at what this process knows itself: nobody is asked, over no proxy. */
#ifndef POD_IDENTITY_AGENT_PROBES_H
#define POD_IDENTITY_AGENT_PROBES_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/settings.h"
#include "common/base/buf.h"

enum probes_address {
    PROBES_PENDING, /* not tried yet */
    PROBES_BOUND,
    PROBES_ABSENT, /* the node does not have it: not waited for */
    PROBES_TAKEN   /* the node has it, and it cannot be bound: not ready */
};

#define PROBES_DETAIL_MAX 256

/* How it stands with host number i of settings->hosts; detail: why it is taken, one line, or NULL. */
void probes_set(size_t i, enum probes_address state, const char *detail);

/* All addresses of the node are bound, and there is one at least; and with --associations, there are keys,
 * and the associations were read once: before that, no pod would get an answer. What fails later is no
 * reason: what is known counts on. */
bool probes_ready(const struct settings *settings);

#define PROBES_TEXT_MAX 4608
/* Status and body (text/plain) of a path; 404 for one that is none of the two. /healthz: the loop turns, so
 * always 200. /readyz: 200 "ok", or 503 with a line for each address that is not bound, and for what trust.h
 * lacks. */
int probes_answer(const struct settings *settings, const char *path, struct buf *body);

/* The command `probe`: GET /readyz at --probe-port. True if it is ready; else one line in problem. */
bool probe(const struct settings *settings, struct buf *problem);

#endif
