/* Where the sidecar's options come from: its arguments, the environment, and the file of --config. */
#ifndef POD_IDENTITY_SIDECAR_CONFIG_READ_H
#define POD_IDENTITY_SIDECAR_CONFIG_READ_H

#include "sidecar/config.h"

/* Reads command, --config and options into *out, which must be zero. On OPTIONS_USAGE problem holds one line.
 */
enum options_result config_read(int argc, char **argv, struct config *out, struct buf *problem);

/* Logs what is allowed, and seldom meant. */
void config_warn(const struct config *config);

#endif
