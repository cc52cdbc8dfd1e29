#include "sidecar/routes.h"

#include <string.h>

#include "common/base/wipe.h"
#include "common/text/ini.h"
#include "sidecar/imds.h"
#include "sidecar/metrics.h"

#define CREDENTIALS_PATH "/v1/credentials"
#define IDENTITY_PATH "/v1/identity"

static bool readable(const struct request *r) {
    return r->method == REQUEST_GET || r->method == REQUEST_HEAD;
}

static const struct answer *pick_metrics(size_t view, const struct request *r, enum answers_page ready) {
    if (strcmp(r->path, "/healthz") == 0)
        return answers_health();
    if (strcmp(r->path, "/readyz") == 0)
        return answers_ready(view, ready);
    if (strcmp(r->path, "/metrics") == 0)
        return metrics_answer(view);
    return answers_error(404);
}

_Static_assert(sizeof "/latest/meta-data/iam/security-credentials/" + INI_PROFILE_MAX <= REQUEST_PATH_MAX,
               "the longest path with the longest name of a profile");

/* What follows PATH in a request for it: "" or "/…". NULL: it is for something else. */
static const char *rest_of(const struct request *r, const char *path) {
    size_t len = strlen(path);
    if (strncmp(r->path, path, len) != 0 || (r->path[len] != '/' && r->path[len] != '\0'))
        return NULL;
    return r->path + len;
}

/* PATH is the caller's own profile, PATH/NAME another that he may see, or a refusal if there is none. */
static const struct answer *pick_page(size_t view, const char *rest, enum answers_page page) {
    size_t profile = answers_own(view);
    if (*rest != '\0' && (rest[1] == '\0' || !answers_find(view, rest + 1, &profile)))
        return answers_no_profile(view);
    return answers_page(profile, page);
}

static const struct answer *pick_socket(const struct routes *routes, const struct request *r) {
    const char *rest = rest_of(r, CREDENTIALS_PATH);
    if (rest != NULL)
        return pick_page(routes->view, rest, ANSWERS_CREDENTIALS);
    rest = rest_of(r, "/v1/credential-process");
    if (rest != NULL)
        return pick_page(routes->view, rest, ANSWERS_PROCESS);
    rest = rest_of(r, IDENTITY_PATH);
    if (rest != NULL)
        return pick_page(routes->view, rest, ANSWERS_IDENTITY);
    return pick_metrics(routes->view, r, ANSWERS_READY);
}

/* Keeps out web pages whose name was bound to loopback. */
static bool host_fits(const struct routes *routes, const struct request *r) {
    return strcmp(r->host, routes->host) == 0 || strcmp(r->host, routes->host_port) == 0;
}

/* The bearer keeps out everybody whom the Host check does not. All are compared, whichever it is. */
static const struct answer *pick_http(const struct routes *routes, const struct request *r) {
    const char *rest = rest_of(r, CREDENTIALS_PATH);
    enum answers_page page = ANSWERS_CREDENTIALS;
    const struct routes_right *given = NULL;
    if (rest == NULL) {
        rest = rest_of(r, IDENTITY_PATH);
        page = ANSWERS_IDENTITY;
    }
    if (rest == NULL)
        return answers_error(404);
    size_t len = strlen(r->authorization);
    for (const struct routes_right *k = routes->rights; k < routes->rights + routes->right_count; k++) {
        if (secret_equal(r->authorization, len, k->bearer, strlen(k->bearer)))
            given = k;
    }
    return given != NULL ? pick_page(given->view, rest, page) : answers_error(401);
}

const struct answer *routes_pick(const struct routes *routes, const struct request *request) {
    bool checked = routes->kind == LISTENER_HTTP || routes->kind == LISTENER_IMDS;
    if (routes->kind != LISTENER_IMDS && !readable(request))
        return answers_error(405);
    if (checked && !host_fits(routes, request))
        return answers_error(403);
    switch (routes->kind) {
    case LISTENER_HTTP:
        return pick_http(routes, request);
    case LISTENER_IMDS:
        return imds_pick(request);
    case LISTENER_METRICS:
        return pick_metrics(ANSWERS_ALL, request, ANSWERS_READY_BARE);
    default:
        break;
    }
    return pick_socket(routes, request);
}
