/* Which answer a request gets, by the listener it came to. No I/O. */
#ifndef POD_IDENTITY_ROUTES_H
#define POD_IDENTITY_ROUTES_H

#include <stdint.h>

#include "sidecar/answers.h"
#include "sidecar/request.h"

#define ROUTES_BEARER_MAX REQUEST_AUTHORIZATION_MAX /* of a bearer, with its NUL */

enum routes_kind {
    ROUTES_SOCKET,  /* the Unix socket: every path; the file system says who may connect */
    ROUTES_HTTP,    /* loopback: /v1/credentials only, with Host check and bearer */
    ROUTES_IMDS,    /* loopback: IMDSv2, with Host check and session tokens */
    ROUTES_METRICS, /* any address: /metrics, /healthz and /readyz, nothing secret, no check */
    ROUTES_KINDS
};

/* "socket", "http", "imds", "metrics": in the log and in metrics. */
const char *routes_kind_name(enum routes_kind kind);

struct routes {
    enum routes_kind kind;
    const char *bearer;          /* ROUTES_HTTP: borrowed, NUL-terminated */
    char host[REQUEST_HOST_MAX]; /* ROUTES_HTTP and ROUTES_IMDS: "127.0.0.1" or "[::1]" */
    char host_port[REQUEST_HOST_MAX];
};

const struct answer *routes_pick(const struct routes *routes, const struct request *request);

#endif
