/* The files that credentials are written to. */
#ifndef POD_IDENTITY_SIDECAR_SINKS_H
#define POD_IDENTITY_SIDECAR_SINKS_H

#include <stdbool.h>

#include "common/pod/credentials.h"
#include "sidecar/config.h"

#define SINKS_PROBLEM_MAX 512

/* Removes what a killed process may have left half-written beside the files. */
void sinks_open(const struct config_profile *config);

enum { SINKS_CREDENTIALS_FILE = 1, SINKS_PROCESS_FILE = 2 };

/* Which files are configured, as a sum of the above. */
unsigned sinks_wanted(const struct config_profile *config);

/* Writes those of these files. Returns the ones that could not be written: problem (at least
 * SINKS_PROBLEM_MAX) names them, and they are as they were. A file that fails does not keep the others from
 * being written. What is merged, --credentials-file, is never read through a link, and only if it is a file
 * of this user's. */
unsigned sinks_write(const struct config_profile *config, unsigned files, const struct credentials *c,
                     struct buf *problem);

#endif
