/* Which answer a request gets, by the listener it came to. No I/O. */
#ifndef POD_IDENTITY_ROUTES_H
#define POD_IDENTITY_ROUTES_H

#include <stdint.h>

#include "sidecar/answers.h"
#include "sidecar/request.h"

#define ROUTES_BEARER_MAX REQUEST_AUTHORIZATION_MAX /* of a bearer, with its NUL */

enum routes_kind {
    ROUTES_SOCKET, /* the Unix socket: every path; the file system says who may connect */
    ROUTES_HTTP    /* loopback: /v1/credentials only, with Host check and bearer */
};

struct routes {
    enum routes_kind kind;
    const char *bearer;          /* ROUTES_HTTP: borrowed, NUL-terminated */
    char host[REQUEST_HOST_MAX]; /* ROUTES_HTTP: "127.0.0.1" or "[::1]" */
    char host_port[REQUEST_HOST_MAX];
};

const struct answer *routes_pick(const struct routes *routes, const struct request *request);

#endif
