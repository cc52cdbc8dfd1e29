/* The credentials as environment variables: get env, get exec. */
#ifndef POD_IDENTITY_SIDECAR_GET_GET_ENV_H
#define POD_IDENTITY_SIDECAR_GET_GET_ENV_H

#include "sidecar/get/get_config.h"

#define GET_ENV_MAX (UNIX_CLIENT_ANSWER_MAX + 256)

/* Lines "export NAME='VALUE'", for eval in a shell. */
bool get_env(const struct get_config *config, struct buf *out, struct buf *problem);

/* Becomes that program (argv ends with NULL), with the variables set. Returns if it cannot: problem says why,
 * and the result is the exit status, as shells have it. */
int get_exec(const struct get_config *config, char **argv, struct buf *problem);

#endif
