/* Tells a process that the credentials are new: a signal, after each refresh. */
#ifndef POD_IDENTITY_SIDECAR_NOTIFY_H
#define POD_IDENTITY_SIDECAR_NOTIFY_H

#include "sidecar/config.h"

/* Does nothing unless --notify-pid-file is set. Reads the pid from the file each time; sends the signal only
 * if that is a living process of the sidecar's own user, and not the sidecar, and only if nobody but that
 * user and root could have written the file. A process that is not there yet is no error: that is logged
 * once, and its coming too. */
void notify_refreshed(const struct config *config);

#endif
