#include "sidecar/access.h"

#include <string.h>

#include "common/base/log.h"
#include "common/base/owner.h"
#include "sidecar/metrics.h"
#include "sidecar/refresher.h"
#include "sidecar/tokens.h"

static const struct access *access_of(const struct server_listener *listener) {
    return OWNER(listener, struct access, listener);
}

static const struct answer *pick(struct connection *connection, const struct request *request) {
    static const size_t tokens = sizeof TOKENS_PATH - 1;
    const struct routes *routes = &access_of(connection->listener)->routes;
    refresher_check(); /* what is served must be true at this moment */
    if (routes->kind == LISTENER_SOCKET && strncmp(request->path, TOKENS_PATH, tokens) == 0)
        return tokens_pick(routes->view, request, request->path + tokens, peers_user(connection->watch.fd));
    return routes_pick(routes, request);
}

static const struct answer *refuse(const struct server_listener *listener, int status) {
    (void)listener;
    return status == 403 ? answers_refuse(ANSWERS_WRONG_PEER) : answers_error(status);
}

static bool allowed(const struct server_listener *listener, int fd) {
    const struct peers *peers = access_of(listener)->peers;
    return peers == NULL || peers_allowed(peers, fd);
}

static void answered(const struct server_listener *l, const struct request *r, int status) {
    static const char methods[][8] = {[REQUEST_GET] = "GET",
                                      [REQUEST_HEAD] = "HEAD",
                                      [REQUEST_PUT] = "PUT",
                                      [REQUEST_POST] = "POST",
                                      [REQUEST_OTHER] = "other"};
    const struct routes *routes = &access_of(l)->routes;
    metrics_request(routes->kind, routes->view, status);
    if (!log_enabled(LOG_DEBUG)) /* formatting costs more than answering */
        return;
    LOG(LOG_DEBUG, "request", LOG_TEXT("listener", listener_name(routes->kind)),
        LOG_TEXT("method", methods[r->method]), LOG_TEXT("path", r->path), LOG_NUMBER("status", status),
        LOG_TEXT("error", r->error != NULL ? r->error : ""));
}

const struct server_handlers access_handlers = {
    .pick = pick, .refuse = refuse, .allowed = allowed, .answered = answered};
