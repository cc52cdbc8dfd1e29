#include "agent/webhook/webhook_serve.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "agent/webhook/complaint.h"
#include "agent/webhook/reloads.h"
#include "agent/webhook/routes.h"
#include "common/base/clock.h"
#include "common/base/failure.h"
#include "common/base/far.h"
#include "common/serve/listen.h"
#include "common/serve/patience.h"
#include "common/serve/server.h"
#include "common/serve/server_bodies.h"
#include "common/serve/tls_server.h"
#include "common/serve/watches.h"

/* An API server has a connection for each admission at a time, up to 400, and keeps some 25 of them. Each one
 * that is accepted takes up to 20 KiB for TLS, and 4 KiB while its request comes: with 128 at a time it all
 * stays below 4 MiB. The others wait in the kernel's queue (of 1,024); a handshake and an answer take 2 ms or
 * less. */
#define HTTPS_SHARE 128
#define METRICS_SHARE 16
#define METRICS_PARTIALS 8
/* Exactly: each group has its share, and nobody is ever called in. */
#define PLACES (HTTPS_SHARE + METRICS_SHARE + SERVER_DENIED_SHARE)
#define PARTIALS (HTTPS_SHARE + METRICS_PARTIALS + SERVER_DENIED_PARTIALS)
#define BODY_ROOMS 16 /* reviews that come at the same time; others wait */
#define SESSIONS 64   /* that can be resumed */
#define SANDBOX_PATHS (4 + ASSOCIATIONS_SOURCES_MAX)
/* Not for clients: standard streams, two listeners, the loop with signals, clock and files, and what is read.
 */
#define DESCRIPTORS_KEPT (3 + 2 + 5 + 6)

static const struct webhook_settings *settings;
FAR static struct connection places[PLACES];
FAR static struct partial partials[PARTIALS];
FAR static struct tls_room tls_rooms[PLACES];
FAR static char body_rooms[BODY_ROOMS][ROUTES_BODY_MAX];
static unsigned char sessions[SESSIONS * TLS_SERVER_SESSION];
static struct bodies bodies = {.class = &server_bodies, .rooms = body_rooms[0], .room_count = BODY_ROOMS};
static struct server_listener https, metrics;
static struct loop_timer linger = {.deadline_ms = CLOCK_NEVER};
static bool ending;

/* ---- events ---- */

static void on_linger_over(struct loop_timer *timer) {
    (void)timer;
    loop_stop();
}

/* A Service leads here for some seconds more; who keeps a connection is sent elsewhere. */
static void on_signal(int signal) {
    if (signal == SIGHUP || signal == SIGUSR1) {
        LOG(LOG_INFO, "files are read again", LOG_TEXT("signal", signal == SIGHUP ? "HUP" : "USR1"));
        reloads_all();
        return;
    }
    LOG(LOG_INFO, "ending", LOG_TEXT("signal", signal == SIGTERM ? "TERM" : "INT"),
        LOG_NUMBER("linger_ms", ending ? 0 : settings->linger_ms));
    if (ending || settings->linger_ms == 0) {
        loop_stop();
        return;
    }
    ending = true;
    routes_ending();
    server_last_answers();
    linger.deadline_ms = loop_now().mono_ms + settings->linger_ms;
}

static void on_clock_jump(void) {
    LOG(LOG_WARN, "the wall clock jumped", LOG_NUMBER("wall_ms", clock_now().wall_ms));
}

/* ---- start ---- */

static int open_listener(struct server_listener *listener, const char *option,
                         const struct webhook_address *a) {
    char text[512], line[640];
    struct buf problem = BUF(text), out = BUF(line);
    if (a->text[0] == '\0')
        return 0;
    uint16_t port = a->port;
    int fd = listen_tcp(a->ipv6, a->address, &port, 0, &problem);
    if (fd < 0) {
        buf_fmt(&out, "--%s=%s: %s", option, a->text, text);
        return complaint(WEBHOOK_EXIT_NO_ADDRESS, line);
    }
    if (listener->bodies != NULL)
        server_bodies_listen(fd);
    if (!server_listen(listener, fd)) {
        (void)close(fd);
        return complaint(REASON_INTERNAL, "cannot watch a listening socket: out of memory");
    }
    LOG(LOG_INFO, "serving", LOG_TEXT("option", option), LOG_TEXT("address", a->text),
        LOG_NUMBER("port", port));
    return 0;
}

static int open_listeners(void) {
    const struct server_storage storage = {
        .places = places, .place_count = PLACES, .partials = partials, .partial_count = PARTIALS};
    const struct tls_server_storage tls = {
        .rooms = tls_rooms, .room_count = PLACES, .sessions = sessions, .sessions_len = sizeof sessions};
    https = (struct server_listener){.handlers = &routes_review,
                                     .extras = &routes_extras,
                                     .transport = &tls_server_transport,
                                     .bodies = &bodies,
                                     .spare = patience_spare,
                                     .share = HTTPS_SHARE,
                                     .partials = HTTPS_SHARE};
    metrics = (struct server_listener){
        .handlers = &routes_metrics, .share = METRICS_SHARE, .partials = METRICS_PARTIALS};
    size_t usable = server_open(&storage, DESCRIPTORS_KEPT);
    if (usable < PLACES)
        LOG(LOG_WARN, "there can be fewer connections than planned",
            LOG_NUMBER("connections", (int64_t)usable), LOG_NUMBER("planned", PLACES),
            LOG_TEXT("remedy", "raise the hard limit of open files (RLIMIT_NOFILE) of the container"));
    server_bodies_add(&bodies);
    tls_server_open(&tls);
    routes_open(settings);
    int status = open_listener(&https, "https", &settings->https);
    return status != 0 ? status : open_listener(&metrics, "metrics", &settings->metrics);
}

/* All that is opened after the start: the same files, when they change. Nothing is connected to. */
static int enter_sandbox(void) {
    char text[512], line[640];
    struct buf problem = BUF(text), out = BUF(line);
    struct sandbox_path paths[SANDBOX_PATHS];
    struct sandbox_rules rules = {.paths = paths, .path_max = SANDBOX_PATHS, .port_count = 1};
    sandbox_allow(&rules, settings->certificate, SANDBOX_READ_BESIDE);
    sandbox_allow(&rules, settings->key, SANDBOX_READ_BESIDE);
    sandbox_allow(&rules, settings->client_ca, SANDBOX_READ_BESIDE);
    sandbox_allow(&rules, settings->template, SANDBOX_READ_BESIDE);
    for (size_t i = 0; i < settings->association_count; i++)
        sandbox_allow(&rules, settings->associations[i], SANDBOX_READ_BESIDE);
    if (rules.overflow)
        return complaint(REASON_INTERNAL,
                         "more paths than the sandbox has rules for: an error of the program");
    if (sandbox_enter(settings->sandbox, &rules, &problem))
        return 0;
    buf_fmt(&out, "--sandbox=require: %s; use --sandbox=auto to run without it", text);
    return complaint(WEBHOOK_EXIT_NO_SANDBOX, line);
}

int webhook_serve(const struct webhook_settings *given) {
    settings = given;
    int status = reloads_first(given);
    if (status != 0)
        return status;
    if (!loop_open() || !watches_signals(on_signal) || !watches_clock(on_clock_jump))
        return complaint(REASON_INTERNAL, "cannot set up the event loop: out of memory or file descriptors");
    linger.expired = on_linger_over;
    loop_add_timer(&linger);
    reloads_watch();
    status = open_listeners();
    if (status == 0)
        status = enter_sandbox();
    if (status != 0)
        return status;
    loop_run();
    server_close();
    tls_server_close();
    LOG(LOG_INFO, "ended", LOG_NUMBER("status", 0));
    return 0;
}
