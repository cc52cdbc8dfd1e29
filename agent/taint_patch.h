/* Which JSON patch takes a taint away from a node. No I/O. */
#ifndef POD_IDENTITY_AGENT_TAINT_PATCH_H
#define POD_IDENTITY_AGENT_TAINT_PATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"

#define TAINT_KEY_MAX 320 /* PREFIX/NAME of 253 and 63 characters; with its NUL */
#define TAINT_PATCH_MAX 1536

/* The patch that removes the taints of that key from a node, as the API server has it (JSON); nothing if
 * there are none. Each is tested before it is removed. False: what was read is no node. */
bool taint_patch(const char *node, size_t len, const char *key, struct buf *out);

#endif
