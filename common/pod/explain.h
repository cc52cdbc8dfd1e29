/* The long help of a reason, for `explain` of init and of the sidecar. */
#ifndef POD_IDENTITY_POD_EXPLAIN_H
#define POD_IDENTITY_POD_EXPLAIN_H

#include <stdbool.h>

#include "common/base/buf.h"

#define EXPLAIN_TEXT_MAX 8192

/* Appends cause, ways to confirm it, and the fix. The reason is given by its name, in any case, or by
 * its exit code. False if there is none of that name; then all names are appended to problem. */
bool explain(const char *reason, struct buf *out, struct buf *problem);

#endif
