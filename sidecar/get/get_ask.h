/* One question to the sidecar. */
#ifndef POD_IDENTITY_SIDECAR_GET_GET_ASK_H
#define POD_IDENTITY_SIDECAR_GET_GET_ASK_H

#include "sidecar/get/get_config.h"

/* GETs the path: true for an answer of 200; otherwise problem says why not. The caller wipes *out. */
bool get_ask(const struct get_config *config, const char *path, struct unix_answer *out, struct buf *problem);

/* The value of a member of the answer's JSON, as a sidecar renders it: without escapes. NULL: there is none,
 * and *len is as it was. member is as it stands there, up to the value: "\"Name\":\"". */
const char *get_member(const struct unix_answer *answer, const char *member, size_t *len);

/* The credential_process JSON of config's profile, which is as it should be. */
bool get_ask_credentials(const struct get_config *config, struct unix_answer *out, struct buf *problem);

#endif
