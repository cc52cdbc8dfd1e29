/* From root to a user without rights, once the ports are bound. */
#ifndef POD_IDENTITY_AGENT_PRIVILEGES_H
#define POD_IDENTITY_AGENT_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/buf.h"

#define PRIVILEGES_USER 65532 /* "nonroot" of distroless images: no node has such a user */

/* Becomes that user and group, and leaves all other groups; harmless if this process is not root. False, with
 * problem, if the kernel says no (CAP_SETUID, CAP_SETGID). */
bool privileges_drop(uid_t uid, gid_t gid, struct buf *problem);

#endif
