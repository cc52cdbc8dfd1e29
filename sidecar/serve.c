#include "sidecar/serve.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/http.h"
#include "common/wipe.h"
#include "sidecar/answers.h"
#include "sidecar/bearer.h"
#include "sidecar/loop.h"
#include "sidecar/refresher.h"
#include "sidecar/server.h"
#include "sidecar/upstream.h"
#include "sidecar/watches.h"

static const struct config *config;
static struct source source;
static struct bearer bearer;
static struct routes socket_routes = {.kind = ROUTES_SOCKET}, http_routes = {.kind = ROUTES_HTTP};
static struct loop_timer linger = {.deadline_ms = CLOCK_NEVER};
static bool ending;

/* ---- events ---- */

static void on_linger_over(struct loop_timer *timer) {
    (void)timer;
    loop_stop();
}

static void on_signal(int signal) {
    if (signal == SIGUSR1) {
        LOG(LOG_INFO, "refresh requested", LOG_TEXT("signal", "USR1"));
        refresher_event(REFRESH_REQUESTED);
        return;
    }
    LOG(LOG_INFO, "ending", LOG_TEXT("signal", signal == SIGTERM ? "TERM" : "INT"),
        LOG_NUMBER("linger_ms", ending ? 0 : config->linger_ms));
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

static void on_token_rotated(void) {
    LOG(LOG_DEBUG, "the token was replaced", LOG_TEXT("path", source.injection.token_path));
    refresher_event(REFRESH_TOKEN_ROTATED);
}

/* ---- start ---- */

static int cannot_listen(const char *option, const char *where, const struct buf *problem) {
    char text[1024];
    struct buf line = BUF(text);
    buf_fmt(&line, "--%s=%s: %s", option, where, problem->data);
    return complain(EXIT_CANNOT_CREATE, line.data);
}

static void close_unused(int fd) {
    if (fd >= 0)
        close(fd);
}

static void name_hosts(const struct config_address *a, uint16_t port) {
    struct buf host = BUF(http_routes.host), host_port = BUF(http_routes.host_port);
    const char *colon = strrchr(a->text, ':');
    buf_put(&host, a->text, (size_t)(colon - a->text));
    buf_fmt(&host_port, "%s:%u", host.data, (unsigned)port);
}

static int open_http(uint16_t *port) {
    char text[512];
    struct buf problem = BUF(text);
    *port = config->http.port;
    int fd = listen_tcp(config->http.ipv6, config->http.address, port, &problem);
    if (fd < 0)
        return cannot_listen("http", config->http.text, &problem);
    name_hosts(&config->http, *port);
    http_routes.bearer = bearer.text;
    if (!bearer_open(config, &bearer, &problem)) {
        close_unused(fd);
        return complain(EXIT_CANNOT_CREATE, problem.data);
    }
    if (server_listen(fd, &http_routes))
        return 0;
    close_unused(fd);
    return complain(EXIT_CANNOT_CREATE, "cannot watch the listening socket of --http");
}

/* The socket first: its lock on the directory decides which of two sidecars goes on. */
static int open_listeners(void) {
    char text[512];
    struct buf problem = BUF(text);
    uint16_t port = 0;
    if (config->unix_socket[0] != '\0') {
        int fd = listen_unix(config->unix_socket, config->socket_mode, config->socket_group, &problem);
        if (fd < 0 || !server_listen(fd, &socket_routes))
            return cannot_listen("unix-socket", config->unix_socket, &problem);
    }
    if (config->http.text[0] != '\0') {
        int status = open_http(&port);
        if (status != 0) {
            if (config->unix_socket[0] != '\0')
                unlink(config->unix_socket);
            return status;
        }
    }
    LOG(LOG_INFO, "serving", LOG_TEXT("unix_socket", config->unix_socket),
        LOG_TEXT("http", http_routes.host_port), LOG_TEXT("source", source_name(source.kind)),
        LOG_TEXT("injected_by", source.injection.self_injected ? "pod" : "webhook"),
        LOG_TEXT("upstream", source.injection.uri.text));
    return 0;
}

static int open_events(void) {
    if (!loop_open() || !watches_signals(on_signal) || !watches_clock(on_clock_jump) || !upstream_open())
        return complain(REASON_INTERNAL, "cannot set up the event loop: out of memory or file descriptors");
    if (!watches_token(source.injection.token_path, on_token_rotated))
        LOG(LOG_WARN, "cannot watch the token's directory; the token is read at each refresh all the same",
            LOG_TEXT("path", source.injection.token_path), LOG_TEXT("error", strerror(errno)));
    linger.expired = on_linger_over;
    loop_add_timer(&linger);
    answers_open(server_retire);
    server_open(refresher_check);
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
    answers_wipe();
    http_close();
    LOG(LOG_INFO, "ended", LOG_NUMBER("status", 0));
}

int serve(const struct config *given) {
    struct failure failure;
    config = given;
    if (source_open(&source, &config->source, environment, &failure) != REASON_OK)
        return complain_failure(&failure);
    int status = open_events();
    if (status == 0)
        status = open_listeners();
    if (status != 0)
        return status;
    refresher_open(config, &source);
    loop_run();
    end();
    return 0;
}
