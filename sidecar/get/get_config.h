/* What pod-identity-get was asked for. */
#ifndef POD_IDENTITY_SIDECAR_GET_GET_CONFIG_H
#define POD_IDENTITY_SIDECAR_GET_GET_CONFIG_H

#include "common/base/options.h"
#include "common/serve/unix_client.h"
#include "common/text/ini.h"

#define GET_SOCKET_MAX 108
#define GET_TEXT_MAX 256 /* of a token's parameter, with its NUL: the longest is a host's name */
typedef char get_text[GET_TEXT_MAX];

struct get_config {
    char socket[GET_SOCKET_MAX];
    char profile[INI_PROFILE_MAX]; /* "": the first */
    get_text host, port, user, cache, cluster, region;
    bool serverless, json;
};

extern const struct options get_options;

#endif
