/* Putting pod-identity-get where the pod's other containers find it. */
#ifndef POD_IDENTITY_INIT_INSTALL_H
#define POD_IDENTITY_INIT_INSTALL_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/failure.h"

#define INSTALL_NAME "pod-identity-get"
#define INSTALL_SIZE_MAX 1048576 /* the released file has at most 64 KiB; a build for debugging has more */

#define INSTALL_SHELL_NAME "sh" /* under this name it is what SDKs without a shell can start it with */

/* Copies it from beside the running executable into the directory, atomically, with mode 0755; a second time
 * as "sh" if wanted. On success what was done is appended to message; otherwise false, with *failure
 * (REASON_INTERNAL) filled in. */
bool install_get(const char *directory, bool as_shell, struct buf *message, struct failure *failure);

#endif
