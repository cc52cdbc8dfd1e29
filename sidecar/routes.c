#include "sidecar/routes.h"

#include <string.h>

#include "common/wipe.h"

static bool readable(const struct request *r) {
    return r->method == REQUEST_GET || r->method == REQUEST_HEAD;
}

static const struct answer *pick_socket(const struct request *r) {
    if (strcmp(r->path, "/healthz") == 0)
        return answers_health();
    if (strcmp(r->path, "/v1/credentials") == 0)
        return answers_page(ANSWERS_CREDENTIALS);
    if (strcmp(r->path, "/v1/credential-process") == 0)
        return answers_page(ANSWERS_PROCESS);
    if (strcmp(r->path, "/readyz") == 0)
        return answers_page(ANSWERS_READY);
    return answers_error(404);
}

/* The Host check keeps out web pages whose name was bound to loopback; the bearer keeps out everybody else.
 */
static const struct answer *pick_http(const struct routes *routes, const struct request *r) {
    if (strcmp(r->host, routes->host) != 0 && strcmp(r->host, routes->host_port) != 0)
        return answers_error(403);
    if (strcmp(r->path, "/v1/credentials") != 0)
        return answers_error(404);
    if (!secret_equal(r->authorization, strlen(r->authorization), routes->bearer, strlen(routes->bearer)))
        return answers_error(401);
    return answers_page(ANSWERS_CREDENTIALS);
}

const struct answer *routes_pick(const struct routes *routes, const struct request *request) {
    if (!readable(request))
        return answers_error(405);
    return routes->kind == ROUTES_HTTP ? pick_http(routes, request) : pick_socket(request);
}
