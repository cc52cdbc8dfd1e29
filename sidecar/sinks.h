/* The files that credentials are written to. */
#ifndef POD_IDENTITY_SIDECAR_SINKS_H
#define POD_IDENTITY_SIDECAR_SINKS_H

#include <stdbool.h>

#include "common/pod/credentials.h"
#include "sidecar/config.h"

#define SINKS_PROBLEM_MAX 512

/* Removes what a killed process may have left half-written beside the files. */
void sinks_open(const struct config_profile *config);

/* Behind these, one for each token of the profile. */
enum { SINKS_CREDENTIALS_FILE = 1, SINKS_PROCESS_FILE = 2, SINKS_TOKEN = 4 };
#define SINKS_TOKENS (SINKS_TOKEN * ((1U << CONFIG_TOKENS_MAX) - 1)) /* all of them */

/* Which files are configured, as a sum of the above. */
unsigned sinks_wanted(const struct config_profile *config);

/* Writes those of these files. Returns the ones that could not be written: problem (at least
 * SINKS_PROBLEM_MAX) names them, and they are as they were. A file that fails does not keep the others from
 * being written. What is merged, --credentials-file, is never read through a link, and only if it is a file
 * of this user's. */
unsigned sinks_write(const struct config_profile *config, unsigned files, const struct credentials *c,
                     struct buf *problem);

/* How long after they are written the profile's tokens are wanted anew: two thirds of the shortest life;
 * CLOCK_NEVER: there are none, or the credentials have ended. */
int64_t sinks_tokens_keep_ms(const struct config_profile *config, const struct credentials *c);

#endif
