#include "sidecar/separation.h"

#include <string.h>
#include <sys/stat.h>

/* The paths of one owner, a profile or (ANSWERS_ALL) the sidecar itself; NULL behind the last. "" is none. */
struct paths {
    const char *option, *path;
};
enum { PATHS_MAX = 5 + CONFIG_TOKENS_MAX };

static const struct config_access *access_of(const struct config *c, size_t owner) {
    return owner == ANSWERS_ALL ? &c->access : &c->profiles[owner].access;
}

static void paths_of(const struct config *c, size_t owner, struct paths out[PATHS_MAX]) {
    const struct config_access *a = access_of(c, owner);
    memset(out, 0, PATHS_MAX * sizeof *out);
    out[0] = (struct paths){"unix-socket", a->unix_socket};
    out[1] = (struct paths){"http-token-file", c->http.text[0] != '\0' ? a->http_token_file : ""};
    if (owner != ANSWERS_ALL) {
        out[2] = (struct paths){"credentials-file", c->profiles[owner].credentials_file};
        out[3] = (struct paths){"process-file", c->profiles[owner].process_file};
        for (size_t i = 0; i < c->profiles[owner].token_count; i++)
            out[4 + i] = (struct paths){"tokens", c->profiles[owner].tokens[i].file};
    }
}

/* The directory of a path; "" for one in the root. */
static void directory_of(const char *path, char out[CONFIG_PATH_MAX]) {
    struct buf text = buf_over(out, CONFIG_PATH_MAX);
    buf_put(&text, path, (size_t)(strrchr(path, '/') - path));
}

/* By its name, or what the file system says of it. */
static bool same_directory(const char *a, const char *b) {
    char one[CONFIG_PATH_MAX], other[CONFIG_PATH_MAX];
    struct stat here, there;
    if (*a == '\0' || *b == '\0')
        return false;
    directory_of(a, one);
    directory_of(b, other);
    if (strcmp(one, other) == 0)
        return true;
    return stat(one, &here) == 0 && stat(other, &there) == 0 && here.st_ino == there.st_ino &&
           here.st_dev == there.st_dev;
}

static void put_owner(const struct config *c, size_t owner, const char *option, struct buf *out) {
    if (owner == ANSWERS_ALL)
        buf_fmt(out, "the sidecar's own %s", option);
    else
        buf_fmt(out, "%s of %.64s", option, c->profiles[owner].name);
}

static bool share_directory(const struct config *c, size_t owner, size_t other, struct buf *problem) {
    struct paths ours[PATHS_MAX], theirs[PATHS_MAX];
    paths_of(c, owner, ours);
    paths_of(c, other, theirs);
    for (const struct paths *a = ours; a->option != NULL; a++) {
        for (const struct paths *b = theirs; b->option != NULL; b++) {
            if (!same_directory(a->path, b->path))
                continue;
            put_owner(c, owner, a->option, problem);
            buf_str(problem, " and ");
            put_owner(c, other, b->option, problem);
            buf_fmt(
                problem,
                " lie in one directory, %.128s and %.128s: a container that has one has both. Put each on a "
                "volume that only its container mounts",
                a->path, b->path);
            return true;
        }
    }
    return false;
}

static bool lists_users(const struct config_access *a) {
    return a->allow_uid_count > 0 || a->socket_group != (gid_t)-1;
}

static bool lists(const struct config_access *a, uid_t user) {
    for (size_t i = 0; i < a->allow_uid_count; i++) {
        if (a->allow_uid[i] == user)
            return true;
    }
    return false;
}

/* Whether all whom the first lets in are let in by the other. */
static bool within(const struct config_access *a, const struct config_access *b) {
    bool all = a->socket_group == (gid_t)-1 || a->socket_group == b->socket_group;
    for (size_t i = 0; i < a->allow_uid_count; i++)
        all = all && lists(b, a->allow_uid[i]);
    return all;
}

static bool same_users(const struct config *c, size_t owner, size_t other, struct buf *problem) {
    const struct config_access *a = access_of(c, owner), *b = access_of(c, other);
    bool same = lists_users(a) && lists_users(b) && a->unix_socket[0] != '\0' && b->unix_socket[0] != '\0' &&
                within(a, b);
    if (same)
        buf_fmt(
            problem,
            "allow-uid and socket-group of %.64s let in nobody whom those of %.64s keep out: they separate "
            "nothing, as both apps are the same user. Leave them out, volumes separate, or run the apps as "
            "different users",
            c->profiles[owner].name, c->profiles[other].name);
    return same;
}

/* What stands in a profile, and has no effect. */
static bool is_useless(const struct config *c, size_t owner, struct buf *problem) {
    const struct config_access *a = access_of(c, owner);
    const char *name = c->profiles[owner].name;
    if (a->http_token_file[0] != '\0' && c->http.text[0] == '\0')
        buf_fmt(problem, "http-token-file of %.64s needs http: it is the bearer of that endpoint", name);
    else if (a->allow_uid_count > 0 && a->unix_socket[0] == '\0')
        buf_fmt(problem, "allow-uid of %.64s needs unix-socket there: it says who may ask on it", name);
    else if (a->socket_group != (gid_t)-1 && a->unix_socket[0] == '\0' && a->http_token_file[0] == '\0')
        buf_fmt(problem, "socket-group of %.64s needs unix-socket or http-token-file there", name);
    return problem->len > 0;
}

bool separation_check(const struct config *c, struct buf *problem) {
    for (size_t i = 0; i < c->profile_count; i++) {
        const struct config_access *a = access_of(c, i);
        if (is_useless(c, i, problem))
            return false;
        if (a->unix_socket[0] == '\0' && a->http_token_file[0] == '\0')
            continue;
        if (i == 0 && c->imds.text[0] != '\0') {
            buf_fmt(problem,
                    "--imds serves the first profile, %.64s, to every process of the pod, and that one has a "
                    "socket "
                    "or a bearer of its own: put another profile first, or leave out --imds",
                    c->profiles[0].name);
            return false;
        }
        for (size_t k = 0; k < c->profile_count; k++) {
            if (k != i && (share_directory(c, i, k, problem) || same_users(c, i, k, problem)))
                return false;
        }
        if (share_directory(c, i, ANSWERS_ALL, problem))
            return false;
    }
    return true;
}
