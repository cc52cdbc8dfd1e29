#include "sidecar/doors.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/far.h"
#include "sidecar/access.h"
#include "sidecar/answers.h"
#include "sidecar/bearer.h"
#include "sidecar/complain.h"
#include "sidecar/imds.h"
#include "sidecar/tokens.h"

#define OF_PROFILE LISTENERS /* the first of those of profiles, each with the number of its own on top */

static const struct config *config;
static struct access listeners[DOORS_SOCKETS];
/* Of each profile; the last is the sidecar's own, at ANSWERS_ALL, as among the bearers. */
static struct peers peers[CONFIG_PROFILES_MAX + 1];
FAR static struct bearer bearers[CONFIG_PROFILES_MAX + 1];
static struct routes_right rights[CONFIG_PROFILES_MAX + 1];
FAR static struct connection places[DOORS_PLACES];
FAR static struct partial partials[DOORS_PARTIALS];

/* Each listener has its own, so that nobody who reaches one of them can touch another: the metrics port is
 * open to the network, and loopback to every process of the pod. Shares are of DOORS_PLACES, if all of the
 * first four are there; sockets of profiles take of each. The app may borrow what stands free: a pool of
 * 1,000 connections on one listener is its good right. */
static const struct {
    size_t share, partials;
} shares[LISTENERS + 1] = {
    [LISTENER_SOCKET] = {456, 64},
    [LISTENER_HTTP] = {456, 64},
    [LISTENER_IMDS] = {80, 32},
    [LISTENER_METRICS] = {24, 16},
    [OF_PROFILE] = {114, DOORS_PARTIALS_OF_PROFILE},
};
_Static_assert(64 + 64 + 32 + 16 + CONFIG_PROFILES_MAX * DOORS_PARTIALS_OF_PROFILE + SERVER_DENIED_PARTIALS ==
                   DOORS_PARTIALS,
               "all partials have an owner");

static int cannot_listen(const char *option, const char *where, const struct buf *problem) {
    char text[1024];
    struct buf line = BUF(text);
    buf_fmt(&line, "--%s=%s: %s", option, where, problem->data);
    return complain(EXIT_CANNOT_CREATE, line.data);
}

static void explain_taken(struct buf *problem) {
    char text[128];
    struct buf why = BUF(text);
    if (host_network_seen(&why))
        buf_fmt(problem,
                "; the usual cause is hostNetwork, which this pod has (%s): it shares its ports with the "
                "node and "
                "with all other such pods",
                text);
    else
        buf_str(problem,
                "; another process of this pod has it, or, where the pod has hostNetwork, which is the "
                "usual cause, one of the node");
}

/* What a Host header may hold: the address, with or without the port. */
static void name_hosts(struct routes *routes, const char *address, uint16_t port) {
    struct buf host = BUF(routes->host), host_port = BUF(routes->host_port);
    const char *colon = strrchr(address, ':');
    buf_put(&host, address, (size_t)(colon - address));
    buf_fmt(&host_port, "%s:%u", host.data, (unsigned)port);
}

static int open_tcp(enum listener which, const struct config_address *a) {
    const char *option = listener_name(which); /* they have the same names */
    struct access *access = &listeners[which];
    char text[512];
    struct buf problem = BUF(text);
    if (a->text[0] == '\0')
        return 0;
    uint16_t port = a->port;
    int fd = listen_tcp(a->ipv6, a->address, &port, which == LISTENER_METRICS ? 0 : 1, &problem);
    if (fd < 0 && errno == EADDRINUSE)
        explain_taken(&problem);
    if (fd < 0)
        return cannot_listen(option, a->text, &problem);
    name_hosts(&access->routes, a->text, port);
    if (server_listen(&access->listener, fd))
        return 0;
    close(fd);
    return complain(REASON_INTERNAL, "cannot watch a listening socket: out of memory");
}

static const struct config_access *access_of(size_t owner) {
    return owner == ANSWERS_ALL ? &config->access : &config->profiles[owner].access;
}

/* Who may ask: those of the profile's own list, if it has one. */
static const struct config_access *users_of(size_t owner) {
    const struct config_access *a = access_of(owner);
    return a->allow_uid_count > 0 || a->socket_group != (gid_t)-1 ? a : &config->access;
}

static int open_unix(size_t owner) {
    const struct config_access *a = access_of(owner), *users = users_of(owner);
    struct access *access = &listeners[owner == ANSWERS_ALL ? (size_t)LISTENER_SOCKET : OF_PROFILE + owner];
    char text[512];
    struct buf problem = BUF(text);
    if (a->unix_socket[0] == '\0')
        return 0;
    peers[owner] = (struct peers){users->allow_uid, users->allow_uid_count, users->socket_group};
    access->peers = &peers[owner];
    int fd = listen_unix(a->unix_socket, config->socket_mode, users->socket_group, &problem);
    if (fd >= 0 && server_listen(&access->listener, fd)) {
        access->open = true;
        return 0;
    }
    return fd == LISTEN_INTERRUPTED ? DOORS_ENDED_EARLY
                                    : cannot_listen("unix-socket", a->unix_socket, &problem);
}

static int open_bearer(size_t owner) {
    char text[512];
    struct buf problem = BUF(text);
    if (!bearer_open(config, owner, users_of(owner)->socket_group, &bearers[owner], &problem))
        return complain(EXIT_CANNOT_CREATE, problem.data);
    struct routes *routes = &listeners[LISTENER_HTTP].routes;
    if (bearers[owner].text[0] != '\0')
        rights[routes->right_count++] = (struct routes_right){bearers[owner].text, owner};
    return 0;
}

static int open_secrets(void) {
    int status = 0;
    for (size_t i = 0; i <= ANSWERS_ALL && status == 0 && config->http.text[0] != '\0'; i++) {
        if (i < config->profile_count || i == ANSWERS_ALL)
            status = open_bearer(i);
    }
    if (status == 0 && config->imds.text[0] != '\0' && !imds_open())
        return complain(REASON_INTERNAL, "cannot get random bytes for the tokens of --imds");
    return status;
}

void doors_server(size_t descriptors_kept) {
    const struct server_storage storage = {
        .places = places, .place_count = DOORS_PLACES, .partials = partials, .partial_count = DOORS_PARTIALS};
    for (size_t i = 0; i < DOORS_SOCKETS; i++) {
        enum listener kind = i < OF_PROFILE ? (enum listener)i : LISTENER_SOCKET;
        size_t row = i < OF_PROFILE ? i : OF_PROFILE;
        listeners[i] =
            (struct access){.listener = {.handlers = &access_handlers,
                                         .refusals_close = kind != LISTENER_SOCKET,
                                         .borrows = kind == LISTENER_SOCKET || kind == LISTENER_HTTP,
                                         .unix_socket = kind == LISTENER_SOCKET,
                                         .extras = kind == LISTENER_SOCKET ? &tokens_extras : NULL,
                                         .share = shares[row].share,
                                         .partials = shares[row].partials},
                            .routes = {.kind = kind, .view = i < OF_PROFILE ? ANSWERS_ALL : i - OF_PROFILE}};
    }
    listeners[LISTENER_IMDS].listener.extras = &imds_headers;
    listeners[LISTENER_HTTP].routes.rights = rights;
    server_open(&storage, descriptors_kept);
}

/* The sidecar's socket first: its lock on the directory decides which of two sidecars goes on. */
static int open_all(void) {
    int status = open_unix(ANSWERS_ALL);
    for (size_t i = 0; i < config->profile_count && status == 0; i++)
        status = open_unix(i);
    if (status == 0)
        status = open_tcp(LISTENER_HTTP, &config->http);
    if (status == 0)
        status = open_tcp(LISTENER_IMDS, &config->imds);
    if (status == 0)
        status = open_tcp(LISTENER_METRICS, &config->metrics);
    return status != 0 ? status : open_secrets();
}

int doors_open(const struct config *given) {
    config = given;
    int status = open_all();
    if (status != 0) {
        doors_close();
        return status;
    }
    LOG(LOG_INFO, "serving", LOG_TEXT("unix_socket", config->access.unix_socket),
        LOG_TEXT("http", doors_address(LISTENER_HTTP)), LOG_TEXT("imds", doors_address(LISTENER_IMDS)),
        LOG_TEXT("metrics", doors_address(LISTENER_METRICS)));
    for (size_t i = 0; i < config->profile_count; i++) {
        if (access_of(i)->unix_socket[0] != '\0' || bearers[i].path[0] != '\0')
            LOG(LOG_INFO, "serving one profile", LOG_TEXT("profile", config->profiles[i].name),
                LOG_TEXT("unix_socket", access_of(i)->unix_socket),
                LOG_TEXT("http_token_file", bearers[i].path));
    }
    return 0;
}

const char *doors_address(enum listener which) {
    return listeners[which].routes.host_port;
}

bool doors_publish(struct buf *problem) {
    bool ok = true;
    for (size_t i = 0; i <= ANSWERS_ALL; i++)
        ok = bearer_publish(&bearers[i], problem) && ok;
    return ok;
}

void doors_allow(struct sandbox_rules *rules) {
    for (size_t i = 0; i <= ANSWERS_ALL; i++) {
        if (i < config->profile_count || i == ANSWERS_ALL) {
            sandbox_allow(rules, access_of(i)->unix_socket, SANDBOX_WRITE_BESIDE);
            sandbox_allow(rules, bearers[i].path, SANDBOX_WRITE_BESIDE);
        }
    }
}

void doors_close(void) {
    /* Before the listeners close: as long as one answers, nobody else takes its path, and unlinking later
     * could hit theirs. */
    for (size_t i = 0; i < config->profile_count; i++) {
        if (listeners[OF_PROFILE + i].open)
            unlink(access_of(i)->unix_socket);
    }
    if (listeners[LISTENER_SOCKET].open)
        unlink(config->access.unix_socket);
    server_close();
    for (size_t i = 0; i <= ANSWERS_ALL; i++)
        bearer_close(&bearers[i]);
}
