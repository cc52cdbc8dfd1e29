/* Whose credentials the sidecar serves: get whoami. */
#ifndef POD_IDENTITY_SIDECAR_GET_GET_WHOAMI_H
#define POD_IDENTITY_SIDECAR_GET_GET_WHOAMI_H

#include "sidecar/get/get_config.h"

#define GET_WHOAMI_MAX (UNIX_CLIENT_ANSWER_MAX + 512)

/* A line for each that is known, or the sidecar's JSON as it is. */
bool get_whoami(const struct get_config *config, struct buf *out, struct buf *problem);

#endif
