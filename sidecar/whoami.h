/* The command `whoami`: asks STS whose the credentials are that the pod's processes get. */
#ifndef POD_IDENTITY_SIDECAR_WHOAMI_H
#define POD_IDENTITY_SIDECAR_WHOAMI_H

#include "sidecar/config.h"

/* Returns the program's exit status. */
int whoami(const struct config *config);

#endif
