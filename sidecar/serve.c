#include "sidecar/serve.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/base/environment.h"
#include "common/base/far.h"
#include "common/base/wipe.h"
#include "common/http/http.h"
#include "common/sandbox/sandbox.h"
#include "common/serve/loop.h"
#include "common/serve/upstream.h"
#include "common/serve/watches.h"
#include "common/source/authorities.h"
#include "sidecar/access.h"
#include "sidecar/answers.h"
#include "sidecar/bearer.h"
#include "sidecar/complain.h"
#include "sidecar/imds.h"
#include "sidecar/metrics.h"
#include "sidecar/refresher.h"
#include "sidecar/trust.h"

static const struct config *config;
FAR static struct source sources[CONFIG_PROFILES_MAX];
FAR static struct source_scratch source_scratch;
static const char *names[CONFIG_PROFILES_MAX];
static struct watches_file token_files[CONFIG_PROFILES_MAX];
static struct loop_watch upstream_sockets[SERVE_UPSTREAM_SOCKETS];
static struct bearer bearer;
static struct access listeners[LISTENERS];
static struct peers peers;
FAR static struct connection places[SERVE_PLACES];
FAR static struct partial partials[SERVE_PARTIALS];
static struct loop_timer linger = {.deadline_ms = CLOCK_NEVER};
static bool ending;

/* ---- events ---- */

static void on_linger_over(struct loop_timer *timer) {
    (void)timer;
    loop_stop();
}

static void on_token_rotated(void) {
    LOG(LOG_DEBUG, "a token was replaced", LOG_TEXT("path", source_token_path(&sources[0])));
    refresher_event(REFRESH_TOKEN_ROTATED);
}

static bool seen_before(size_t profile) {
    for (size_t i = 0; i < profile; i++) {
        if (strcmp(source_token_path(&sources[i]), source_token_path(&sources[profile])) == 0)
            return true;
    }
    return false;
}

static void watch_tokens(void) {
    for (size_t i = 0; i < config->profile_count; i++) {
        const char *path = source_token_path(&sources[i]);
        if (!seen_before(i) && !watches_file(&token_files[i], path, on_token_rotated))
            LOG(LOG_WARN,
                "cannot watch the token's directory; the token is read at each refresh all the same",
                LOG_TEXT("path", path), LOG_TEXT("error", strerror(errno)));
    }
}

/* Whatever happened to the files meanwhile: the bearer's is written anew, the token's directory watched anew,
 * and the refresh writes the others. */
static void reopen(void) {
    char text[512];
    struct buf problem = BUF(text);
    watches_forget_files();
    watch_tokens();
    if (config->http.text[0] != '\0' && !bearer_publish(config, &bearer, &problem))
        LOG(LOG_ERROR, "cannot write the bearer's file", LOG_TEXT("error", problem.data));
}

static void on_signal(int signal) {
    if (signal == SIGUSR1 || signal == SIGHUP) {
        LOG(LOG_INFO, "refresh requested", LOG_TEXT("signal", signal == SIGHUP ? "HUP" : "USR1"));
        if (signal == SIGHUP)
            reopen();
        refresher_event(REFRESH_REQUESTED);
        return;
    }
    const struct answer *ready = answers_ready(ANSWERS_ALL, ANSWERS_READY);
    LOG(LOG_INFO, "ending", LOG_TEXT("signal", signal == SIGTERM ? "TERM" : "INT"),
        LOG_NUMBER("linger_ms", ending ? 0 : config->linger_ms));
    /* It is often a startup probe's patience that has ended: then this is why. */
    if (ready->status != 200 && !ending)
        complain_last(ready->body, ready->body_len - 1);
    if (ending || config->linger_ms == 0) {
        loop_stop();
        return;
    }
    ending = true;
    refresher_stop();
    server_last_answers();
    linger.deadline_ms = loop_now().mono_ms + config->linger_ms;
}

static void on_clock_jump(void) {
    LOG(LOG_WARN, "the wall clock jumped", LOG_NUMBER("wall_ms", clock_now().wall_ms));
    refresher_event(REFRESH_CLOCK_JUMPED);
}

/* ---- start ---- */

#define ENDED_EARLY (-1) /* by a signal, before it served: no failure */

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

static const char *shared_network; /* by what it was seen; NULL: it was not, or does not matter */

/* Loopback is every process's of the node then. --http has its bearer; --imds has none. */
static int check_host_network(void) {
    static char text[128];
    char line[512];
    struct buf why = BUF(text), refusal = BUF(line);
    bool imds = config->imds.text[0] != '\0';
    if ((!imds && config->http.text[0] == '\0') || !host_network_seen(&why))
        return 0;
    if (imds && config->host_network == HOST_NETWORK_REFUSE) {
        buf_fmt(&refusal,
                "--imds=%s: this pod has hostNetwork (%s), so every process of the node could ask there, "
                "without a "
                "bearer. Leave out --imds or hostNetwork, or take that with --host-network=accept",
                config->imds.text, text);
        return complain(EXIT_CANNOT_CREATE, line);
    }
    shared_network = text;
    return 0;
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

static int open_secrets(void) {
    char text[512];
    struct buf problem = BUF(text);
    listeners[LISTENER_HTTP].routes.bearer = bearer.text;
    if (config->http.text[0] != '\0' && !bearer_open(config, &bearer, &problem))
        return complain(EXIT_CANNOT_CREATE, problem.data);
    if (config->imds.text[0] != '\0' && !imds_open())
        return complain(REASON_INTERNAL, "cannot get random bytes for the tokens of --imds");
    return 0;
}

static int open_unix(void) {
    char text[512];
    struct buf problem = BUF(text);
    if (config->unix_socket[0] == '\0')
        return 0;
    int fd = listen_unix(config->unix_socket, config->socket_mode, config->socket_group, &problem);
    if (fd >= 0 && server_listen(&listeners[LISTENER_SOCKET].listener, fd))
        return 0;
    if (fd == LISTEN_INTERRUPTED)
        return ENDED_EARLY;
    return cannot_listen("unix-socket", config->unix_socket, &problem);
}

static void log_source(size_t i) {
    const struct source *s = &sources[i];
    LOG(LOG_INFO, "source", LOG_TEXT("profile", names[i]), LOG_TEXT("source", source_name(s->kind)),
        LOG_TEXT("injected_by", s->injection.self_injected ? "pod" : "webhook"),
        LOG_TEXT("upstream", source_upstream(s)->text),
        LOG_NUMBER("assumed_roles", (int64_t)config->profiles[i].source.role_count));
}

/* botocore and Java v1 stretch what comes from a metadata service with less than 12 to 20 minutes left; a
 * refresh 20 minutes before the end keeps them from that, if the session has that long after half of its
 * life. */
static void warn_of_short_session(void) {
    enum { ENOUGH_S = 2400 }; /* the default is an hour */
    const struct source_options *o = &config->profiles[0].source;
    int64_t duration_s = o->role_count > 0 ? o->roles[o->role_count - 1].duration_s : o->base.duration_s;
    if (config->imds.text[0] != '\0' && duration_s > 0 && duration_s < ENOUGH_S)
        LOG(LOG_WARN, "sessions under 40 minutes are too short for --imds",
            LOG_TEXT("because", "botocore, the AWS CLI and Java v1 go on using credentials from there for "
                                "minutes after their end"),
            LOG_NUMBER("session_duration_s", duration_s));
}

/* The socket first: its lock on the directory decides which of two sidecars goes on. */
static int open_listeners(void) {
    int status = open_unix();
    if (status != 0)
        return status;
    status = open_tcp(LISTENER_HTTP, &config->http);
    if (status == 0)
        status = open_tcp(LISTENER_IMDS, &config->imds);
    if (status == 0)
        status = open_tcp(LISTENER_METRICS, &config->metrics);
    if (status == 0)
        status = open_secrets();
    if (status != 0) {
        if (config->unix_socket[0] != '\0')
            unlink(config->unix_socket);
        return status;
    }
    LOG(LOG_INFO, "serving", LOG_TEXT("unix_socket", config->unix_socket),
        LOG_TEXT("http", listeners[LISTENER_HTTP].routes.host_port),
        LOG_TEXT("imds", listeners[LISTENER_IMDS].routes.host_port),
        LOG_TEXT("metrics", listeners[LISTENER_METRICS].routes.host_port));
    if (shared_network != NULL)
        LOG(LOG_WARN, "this pod has hostNetwork: every process of the node may ask on its loopback addresses",
            LOG_TEXT("because", shared_network), LOG_TEXT("http", listeners[LISTENER_HTTP].routes.host_port),
            LOG_TEXT("imds", listeners[LISTENER_IMDS].routes.host_port));
    for (size_t i = 0; i < config->profile_count; i++)
        log_source(i);
    warn_of_short_session();
    return 0;
}

/* Each listener has its own, so that nobody who reaches one of them can touch another: the metrics port is
 * open to the network, and loopback to every process of the pod. Shares are of SERVE_PLACES, if all are
 * there. The app may borrow what stands free: a pool of 1,000 connections on one listener is its good right.
 */
static const struct {
    size_t share, partials;
} shares[LISTENERS] = {
    [LISTENER_SOCKET] = {456, 64},
    [LISTENER_HTTP] = {456, 64},
    [LISTENER_IMDS] = {80, 32},
    [LISTENER_METRICS] = {24, 16},
};
_Static_assert(64 + 64 + 32 + 16 + SERVER_DENIED_PARTIALS == SERVE_PARTIALS, "all partials have an owner");

static void open_server(void) {
    const struct server_storage storage = {
        .places = places, .place_count = SERVE_PLACES, .partials = partials, .partial_count = SERVE_PARTIALS};
    for (enum listener i = 0; i < LISTENERS; i++)
        listeners[i] = (struct access){.listener = {.handlers = &access_handlers,
                                                    .refusals_close = i != LISTENER_SOCKET,
                                                    .borrows = i == LISTENER_SOCKET || i == LISTENER_HTTP,
                                                    .share = shares[i].share,
                                                    .partials = shares[i].partials},
                                       .routes = {.kind = i, .view = ANSWERS_ALL}};
    peers = (struct peers){config->allow_uid, config->allow_uid_count, config->socket_group};
    listeners[LISTENER_IMDS].listener.extras = &imds_headers;
    listeners[LISTENER_SOCKET].listener.unix_socket = true;
    listeners[LISTENER_SOCKET].peers = &peers;
    server_open(&storage, SERVE_DESCRIPTORS_KEPT);
}

static int open_events(void) {
    if (!loop_open() || !watches_signals(on_signal) || !watches_clock(on_clock_jump) ||
        !upstream_open(upstream_sockets, SERVE_UPSTREAM_SOCKETS))
        return complain(REASON_INTERNAL, "cannot set up the event loop: out of memory or file descriptors");
    watch_tokens();
    linger.expired = on_linger_over;
    loop_add_timer(&linger);
    answers_open(server_retire, config->imds.text[0] != '\0', names, config->profile_count);
    metrics_open(names, config->profile_count);
    open_server();
    return 0;
}

static void end(void) {
    refresher_stop();
    /* Before the listener closes: as long as it answers, nobody else takes the path, and unlinking later
     * could hit theirs. */
    if (config->unix_socket[0] != '\0')
        unlink(config->unix_socket);
    server_close();
    bearer_close(&bearer);
    imds_wipe();
    answers_wipe();
    http_close();
    LOG(LOG_INFO, "ended", LOG_NUMBER("status", 0));
}

/* All that is opened, reached or signalled after the start. */
static int enter_sandbox(void) {
    char text[512];
    struct buf problem = BUF(text);
    struct sandbox_path paths[SERVE_SANDBOX_PATHS];
    struct sandbox_rules rules = {
        .paths = paths, .path_max = SERVE_SANDBOX_PATHS, .may_signal = config->notify_pid_file[0] != '\0'};
    const char *ca_file = source_ca_file(&config->profiles[0].source, environment);
    bool tls = false, names_only = false;
    for (size_t i = 0; i < config->profile_count; i++) {
        tls = tls || source_uses_tls(&sources[i]);
        names_only = names_only || source_upstream(&sources[i])->kind == URI_HOST_NAME;
        sandbox_allow(&rules, source_token_path(&sources[i]), SANDBOX_READ_BESIDE);
        sandbox_allow(&rules, config->profiles[i].credentials_file, SANDBOX_WRITE_BESIDE);
        sandbox_allow(&rules, config->profiles[i].process_file, SANDBOX_WRITE_BESIDE);
    }
    /* A name may need DNS over TCP, a proxy has any port, and a chain several servers. */
    rules.may_resolve = tls || names_only;
    if (!rules.may_resolve)
        rules.ports[rules.port_count++] = source_upstream(&sources[0])->port;
    sandbox_allow(&rules, config->unix_socket, SANDBOX_WRITE_BESIDE);
    sandbox_allow(&rules, bearer.path, SANDBOX_WRITE_BESIDE);
    sandbox_allow(&rules, config->notify_pid_file, SANDBOX_READ_BESIDE);
    if (rules.may_signal)
        sandbox_allow(&rules, "/proc", SANDBOX_READ);
    if (tls)
        sandbox_allow(&rules, ca_file, SANDBOX_READ_BESIDE);
    /* name resolution */
    sandbox_allow(&rules, "/etc/hosts", SANDBOX_READ);
    sandbox_allow(&rules, "/etc/resolv.conf", SANDBOX_READ);
    if (!rules.overflow && sandbox_enter(config->sandbox, &rules, &problem))
        return 0;
    if (config->unix_socket[0] != '\0')
        unlink(config->unix_socket);
    bearer_close(&bearer);
    if (rules.overflow)
        return complain(REASON_INTERNAL,
                        "more paths than the sandbox has rules for: an error of the program");
    struct buf line = BUF((char[640]){0});
    buf_fmt(&line, "--sandbox=require: %s; use --sandbox=auto to run without it", problem.data);
    return complain(EXIT_NO_SANDBOX, line.data);
}

int serve(const struct config *given) {
    struct failure failure;
    config = given;
    for (size_t i = 0; i < config->profile_count; i++) {
        names[i] = config->profiles[i].name;
        if (source_open(&sources[i], &config->profiles[i].source, environment, &source_scratch, &failure) !=
                REASON_OK ||
            !trust_authorities(&config->profiles[0].source, authorities_needed(&sources[i]), &failure))
            return complain_failure(&failure);
    }
    int status = check_host_network();
    if (status == 0)
        status = open_events();
    if (status == 0)
        status = open_listeners();
    if (status == 0)
        status = enter_sandbox();
    if (status != 0)
        return status == ENDED_EARLY ? 0 : status;
    refresher_open(config, sources);
    loop_run();
    end();
    return 0;
}
