/* What the commands of the sidecar say when they end. */
#ifndef POD_IDENTITY_SIDECAR_COMPLAIN_H
#define POD_IDENTITY_SIDECAR_COMPLAIN_H

#include "common/base/failure.h"

/* Exit statuses beside the reasons of a failure. */
#define EXIT_NO_SANDBOX 71    /* --sandbox=require, and a part cannot be had (EX_OSERR) */
#define EXIT_CANNOT_CREATE 73 /* a socket, address or file that cannot be had (EX_CANTCREAT) */

/* From now on what is said below goes to the container's termination message, too, as init's line does. For
 * the commands that are the container's own process; a probe runs beside one. */
void complain_open(void);
/* The termination message alone; for what is no failure of the program. */
void complain_last(const char *text, size_t len);

/* One line on stderr, "pod-identity-sidecar: REASON: message. Remedy: …". Returns the reason as exit status.
 */
int complain_failure(const struct failure *failure);
int complain(int status, const char *text);

#endif
