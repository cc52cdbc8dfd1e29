/* The files that credentials are written to. */
#ifndef POD_IDENTITY_SINKS_H
#define POD_IDENTITY_SINKS_H

#include <stdbool.h>

#include "common/pod/credentials.h"
#include "sidecar/config.h"

#define SINKS_PROBLEM_MAX 512

/* Removes what a killed process may have left half-written beside the files. */
void sinks_open(const struct config_profile *config);

/* Whether any file is configured. */
bool sinks_wanted(const struct config_profile *config);

/* Writes every file that is configured. False if one could not be written: problem (at least
 * SINKS_PROBLEM_MAX) names it, and the file is as it was. A file that fails does not keep the others from
 * being written. */
bool sinks_write(const struct config_profile *config, const struct credentials *c, struct buf *problem);

#endif
