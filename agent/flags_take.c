#include "agent/flags_take.h"

#include <string.h>

#include "agent/go_values.h"
#include "agent/settings.h"
#include "common/aws/eksauth.h"
#include "common/aws/endpoints.h"
#include "common/base/log_options.h"
#include "common/base/setting.h"

/* ---- texts ---- */

bool flags_take_text(void *place, const char *value, struct buf *problem) {
    const char *flaw = setting_flaw(value);
    if (*value == '\0' || flaw != NULL) {
        buf_str(problem, flaw != NULL ? flaw : "empty");
        return false;
    }
    *(const char **)place = value;
    return true;
}

bool flags_take_cluster(void *place, const char *value, struct buf *problem) {
    if (!flags_take_text(place, value, problem))
        return false;
    if (eksauth_cluster_valid(value))
        return true;
    buf_str(problem, "a cluster's name has 1 to 100 letters, digits, - and _, the first a letter or digit");
    return false;
}

bool flags_take_path(void *place, const char *value, struct buf *problem) {
    if (!flags_take_text(place, value, problem))
        return false;
    if (value[0] == '/' && value[strlen(value) - 1] != '/')
        return true;
    buf_str(problem, value[0] == '/' ? "a folder, where a file is wanted"
                                     : "not an absolute path: it begins with a slash");
    return false;
}

bool flags_take_region(void *place, const char *value, struct buf *problem) {
    return flags_take_text(place, value, problem) && endpoint_region_check(value, problem);
}

/* A URL with an https origin; over http only to loopback. */
bool flags_take_url(void *place, const char *value, struct buf *problem) {
    struct uri uri;
    if (!flags_take_text(place, value, problem))
        return false;
    if (uri_parse(value, &uri) != ERR_OK || strchr(uri.path, '?') != NULL)
        buf_str(problem, "not a URL, as in https://eks-auth.eu-central-1.api.aws");
    else if (!uri.https && uri.kind != URI_HOST_LOOPBACK && uri.kind != URI_HOST_LOCALHOST)
        buf_str(problem, "not https: the request carries tokens, and the answer credentials");
    return problem->len == 0;
}

bool flags_take_api_server(void *place, const char *value, struct buf *problem) {
    struct uri uri;
    if (!flags_take_text(place, value, problem))
        return false;
    if (uri_parse(value, &uri) != ERR_OK || !uri.https || strspn(uri.path, "/") != strlen(uri.path))
        buf_str(problem, "not https://HOST or https://HOST:PORT");
    return problem->len == 0;
}

bool flags_take_cluster_arn(void *place, const char *value, struct buf *problem) {
    unsigned colons = 0;
    if (!flags_take_text(place, value, problem))
        return false;
    for (const char *at = value; *at != '\0'; at++)
        colons += *at == ':';
    const char *rest = strstr(value, ":cluster/");
    if (strncmp(value, "arn:", 4) == 0 && strstr(value, ":eks:") != NULL && colons == 5 && rest != NULL &&
        eksauth_cluster_valid(rest + 9))
        return true;
    buf_str(problem, "not the ARN of a cluster, as in arn:aws:eks:eu-central-1:111122223333:cluster/NAME");
    return false;
}

/* A taint's key is a label's: PREFIX/NAME. Kubernetes judges the rest when it is asked. */
bool flags_take_taint(void *place, const char *value, struct buf *problem) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./";
    if (!flags_take_text(place, value, problem))
        return false;
    size_t len = strlen(value);
    if (strspn(value, plain) == len && len <= 317 && strchr("-_./", value[0]) == NULL)
        return true;
    buf_str(problem,
            strpbrk(value, "=:") != NULL
                ? "the key of a taint is wanted, without value and effect, as in example.com/agent-not-ready"
                : "not the key of a taint, as in example.com/agent-not-ready");
    return false;
}

/* ---- numbers ---- */

static bool take_number(const char *value, int64_t min, int64_t max, int64_t *out, struct buf *problem) {
    return go_integer(value, min, max, out, problem);
}

static bool take_port_from(uint16_t *place, int64_t min, const char *value, struct buf *problem) {
    int64_t n;
    if (!take_number(value, min, UINT16_MAX, &n, problem))
        return false;
    *place = (uint16_t)n;
    return true;
}

bool flags_take_port(void *place, const char *value, struct buf *problem) {
    return take_port_from(place, 1, value, problem);
}

bool flags_take_port_or_off(void *place, const char *value, struct buf *problem) {
    return take_port_from(place, 0, value, problem);
}

bool flags_take_retention(void *place, const char *value, struct buf *problem) {
    if (!go_duration(value, place, problem))
        return false;
    if (*(int64_t *)place >= 0)
        return true;
    buf_str(problem, "negative; 0 caches nothing");
    return false;
}

bool flags_take_cache_size(void *place, const char *value, struct buf *problem) {
    int64_t n;
    if (!take_number(value, 0, INT32_MAX, &n, problem))
        return false;
    *(size_t *)place = (size_t)n; /* flags_judge() has its say about the maximum */
    return true;
}

bool flags_take_qps(void *place, const char *value, struct buf *problem) {
    int64_t n;
    if (!take_number(value, INT32_MIN, FLAGS_QPS_MAX, &n, problem))
        return false;
    *(unsigned *)place = n > 0 ? (unsigned)n : FLAGS_QPS_USUAL;
    return true;
}

bool flags_take_concurrency(void *place, const char *value, struct buf *problem) {
    int64_t n;
    if (!take_number(value, 1, FLAGS_CONCURRENCY_MAX, &n, problem))
        return false;
    *(size_t *)place = (size_t)n;
    return true;
}

bool flags_take_cache_bytes(void *place, const char *value, struct buf *problem) {
    int64_t n;
    if (!go_bytes(value, FLAGS_CACHE_BYTES_MIN, FLAGS_CACHE_BYTES_MAX, &n, problem))
        return false;
    *(size_t *)place = (size_t)n;
    return true;
}

bool flags_take_bool(void *place, const char *value, struct buf *problem) {
    return go_bool(value, place, problem);
}

/* ---- choices ---- */

/* --log-level wins over --verbosity, whichever comes first: a chart that says `-v trace` can be toned down
 * without changing it. */
bool flags_take_verbosity(void *place, const char *value, struct buf *problem) {
    static const char *const names[] = {"panic", "fatal", "error", "warn", "warning",
                                        "info",  "debug", "trace", NULL};
    static const enum log_level levels[] = {LOG_ERROR, LOG_ERROR, LOG_ERROR, LOG_WARN,
                                            LOG_WARN,  LOG_INFO,  LOG_DEBUG, LOG_DEBUG};
    struct settings *s = place;
    size_t index;
    if (!option_choice(value, names, &index, problem))
        return false;
    if (!s->level_given)
        s->log_level = levels[index];
    return true;
}

bool flags_take_log_level(void *place, const char *value, struct buf *problem) {
    struct settings *s = place;
    s->level_given = true;
    return log_take_level(&s->log_level, value, problem);
}

bool flags_take_expired(void *place, const char *value, struct buf *problem) {
    static const char *const names[] = {"refuse", "pass", NULL};
    size_t index;
    if (!option_choice(value, names, &index, problem))
        return false;
    *(bool *)place = index == 1;
    return true;
}

bool flags_take_exchange(void *place, const char *value, struct buf *problem) {
    static const char *const names[] = {"web-identity", "assume-role", NULL};
    size_t index;
    if (!option_choice(value, names, &index, problem))
        return false;
    *(enum flags_exchange *)place = index == 1 ? FLAGS_ASSUME_ROLE : FLAGS_WEB_IDENTITY;
    return true;
}

/* ---- lists ---- */

static bool add(const char **list, size_t *count, size_t max, const char *value, struct buf *problem) {
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(list[i], value) == 0) {
            buf_str(problem, "there twice");
            return false;
        }
    }
    if (*count == max) {
        buf_fmt(problem, "more than %zu of them", max);
        return false;
    }
    list[(*count)++] = value;
    return true;
}

bool flags_take_issuer(void *place, const char *value, struct buf *problem) {
    struct settings *s = place;
    const char *kept;
    return flags_take_text(&kept, value, problem) &&
           add(s->issuers, &s->issuer_count, FLAGS_ISSUERS_MAX, kept, problem);
}

bool flags_take_associations(void *place, const char *value, struct buf *problem) {
    static const char scheme[] = "configmap:";
    struct settings *s = place;
    const char *kept;
    if (!flags_take_text(&kept, value, problem))
        return false;
    if (strncmp(value, scheme, sizeof scheme - 1) == 0) {
        const char *name = value + sizeof scheme - 1, *slash = strchr(name, '/');
        static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
        if (slash == NULL || slash == name || slash[1] == '\0' || name + strspn(name, plain) != slash ||
            slash[1 + strspn(slash + 1, plain)] != '\0') {
            buf_str(problem, "not configmap:NAMESPACE/NAME");
            return false;
        }
    } else if (value[0] != '/') {
        buf_str(
            problem,
            "neither an absolute folder, as in /etc/pod-identity/associations, nor configmap:NAMESPACE/NAME");
        return false;
    }
    return add(s->associations, &s->association_count, FLAGS_ASSOCIATIONS_MAX, kept, problem);
}
