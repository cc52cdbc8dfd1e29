/* The command `once`: fetches, writes the files, and ends. */
#ifndef POD_IDENTITY_SIDECAR_ONCE_H
#define POD_IDENTITY_SIDECAR_ONCE_H

#include "sidecar/config.h"

/* Returns the program's exit status. */
int once(const struct config *config);

#endif
