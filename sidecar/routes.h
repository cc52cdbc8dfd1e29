/* Which answer a request gets, by the listener it came to. No I/O. */
#ifndef POD_IDENTITY_SIDECAR_ROUTES_H
#define POD_IDENTITY_SIDECAR_ROUTES_H

#include <stdint.h>

#include "common/serve/request.h"
#include "sidecar/answers.h"
#include "sidecar/listeners.h"

#define ROUTES_BEARER_MAX REQUEST_AUTHORIZATION_MAX /* of a bearer, with its NUL */

/* What a bearer opens. */
struct routes_right {
    const char *bearer; /* borrowed, NUL-terminated, not empty */
    size_t view;        /* answers.h */
};

struct routes {
    enum listener kind;
    size_t view; /* LISTENER_SOCKET: what everybody who reaches it may see (answers.h) */
    const struct routes_right *rights; /* LISTENER_HTTP: borrowed */
    size_t right_count;
    char host[REQUEST_HOST_MAX]; /* LISTENER_HTTP and LISTENER_IMDS: "127.0.0.1" or "[::1]" */
    char host_port[REQUEST_HOST_MAX];
};

const struct answer *routes_pick(const struct routes *routes, const struct request *request);

#endif
