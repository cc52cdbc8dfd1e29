/* A ConfigMap of the API server as a source of associations: listed, then watched, so that a patch counts at
 * once. One for the process. */
#ifndef POD_IDENTITY_AGENT_ASSOCIATION_WATCH_H
#define POD_IDENTITY_AGENT_ASSOCIATION_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/api_server.h"

#define ASSOCIATION_OBJECT_MAX                                                                               \
    (4 * 1024 * 1024) /* the JSON of a ConfigMap of 1 MiB, escaped, with what manages it */

/* It was read into the table. */
typedef void association_watch_read(size_t source, bool changed);

/* name: "NAMESPACE/NAME", borrowed, as everything here. After loop_open() and upstream_open(), and
 * table_open(). What fails is said in the log, and tried again; what was read before counts on. */
void association_watch_open(const struct api_server *server, size_t source, const char *name,
                            association_watch_read *read);

/* Whether that can be NAMESPACE/NAME. */
bool association_watch_name(const char *name);

#endif
