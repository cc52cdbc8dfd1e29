/* get token KIND …: what the sidecar's /v1/token/KIND answers. */
#ifndef POD_IDENTITY_SIDECAR_GET_GET_TOKEN_H
#define POD_IDENTITY_SIDECAR_GET_GET_TOKEN_H

#include "sidecar/get/get_config.h"

#define GET_TOKEN_MAX (UNIX_CLIENT_ANSWER_MAX + 256)

/* The token as it is to be printed: of eks an ExecCredential, in the version that kubectl asks for
 * (KUBERNETES_EXEC_INFO). */
bool get_token(const struct get_config *config, const char *kind, struct buf *out, struct buf *problem);

#endif
