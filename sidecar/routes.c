#include "sidecar/routes.h"

#include <string.h>

#include "common/base/wipe.h"
#include "common/text/ini.h"
#include "sidecar/imds.h"
#include "sidecar/metrics.h"

static bool readable(const struct request *r) {
    return r->method == REQUEST_GET || r->method == REQUEST_HEAD;
}

static const struct answer *pick_metrics(size_t view, const struct request *r, enum answers_page ready) {
    if (strcmp(r->path, "/healthz") == 0)
        return answers_health();
    if (strcmp(r->path, "/readyz") == 0)
        return answers_ready(view, ready);
    if (strcmp(r->path, "/metrics") == 0)
        return metrics_answer();
    return answers_error(404);
}

_Static_assert(sizeof "/latest/meta-data/iam/security-credentials/" + INI_PROFILE_MAX <= REQUEST_PATH_MAX,
               "the longest path with the longest name of a profile");

/* PATH is the caller's own profile, PATH/NAME another that he may see, or a refusal if there is none. NULL:
 * neither. */
static const struct answer *pick_page(size_t view, const struct request *r, const char *path,
                                      enum answers_page page) {
    size_t len = strlen(path), profile = answers_own(view);
    if (strncmp(r->path, path, len) != 0)
        return NULL;
    const char *rest = r->path + len;
    if (*rest == '/' && (rest[1] == '\0' || !answers_find(view, rest + 1, &profile)))
        return answers_no_profile(view);
    return *rest == '/' || *rest == '\0' ? answers_page(profile, page) : NULL;
}

static const struct answer *pick_credentials(size_t view, const struct request *r) {
    return pick_page(view, r, "/v1/credentials", ANSWERS_CREDENTIALS);
}

static const struct answer *pick_socket(const struct routes *routes, const struct request *r) {
    const struct answer *a = pick_credentials(routes->view, r);
    if (a == NULL)
        a = pick_page(routes->view, r, "/v1/credential-process", ANSWERS_PROCESS);
    return a != NULL ? a : pick_metrics(routes->view, r, ANSWERS_READY);
}

/* Keeps out web pages whose name was bound to loopback. */
static bool host_fits(const struct routes *routes, const struct request *r) {
    return strcmp(r->host, routes->host) == 0 || strcmp(r->host, routes->host_port) == 0;
}

/* The bearer keeps out everybody whom the Host check does not. */
static const struct answer *pick_http(const struct routes *routes, const struct request *r) {
    const struct answer *a = pick_credentials(ANSWERS_ALL, r);
    if (a == NULL)
        return answers_error(404);
    if (!secret_equal(r->authorization, strlen(r->authorization), routes->bearer, strlen(routes->bearer)))
        return answers_error(401);
    return a;
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
