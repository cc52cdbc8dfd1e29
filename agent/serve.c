#include "agent/serve.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "agent/addresses.h"
#include "agent/admin.h"
#include "agent/complain.h"
#include "agent/exchange_eks_auth.h"
#include "agent/flags_lookup.h"
#include "agent/flights.h"
#include "agent/keyed_hash.h"
#include "agent/node.h"
#include "agent/pods.h"
#include "agent/privileges.h"
#include "agent/renewals.h"
#include "agent/startup_taint.h"
#include "agent/trust.h"
#include "common/base/far.h"
#include "common/http/http.h"
#include "common/serve/listen.h"
#include "common/serve/upstream.h"
#include "common/serve/watches.h"
#include "common/source/authorities.h"

#define PLACES CLIENT_PLACES /* connections; divided among the listeners */
#define PARTIALS 64          /* requests begun and not ended: SDKs send theirs in one piece */
#define PODS_SHARE 950       /* of the places, for all addresses of pods together… */
#define PODS_PARTIALS 48
#define PODS_LARGES 4  /* with tokens of more than 4 KiB: those of EKS and of clusters have 1 to 2 KiB */
#define ADMIN_SHARE 24 /* …and for each of the other two */
#define ADMIN_PARTIALS 6
_Static_assert(PODS_PARTIALS + 2 * ADMIN_PARTIALS + SERVER_DENIED_PARTIALS <= PARTIALS, "all have a place");
#define OTHER_TRANSFERS 4 /* the node's credentials, and three of the API server */
#define UPSTREAM_SOCKETS ((EXCHANGE_SLOTS_MAX + OTHER_TRANSFERS) * UPSTREAM_SOCKETS_A_TRANSFER)
/* Not for clients: standard streams, listeners, the loop with signals, clock and files, upstream with
 * libcurl's own wake-up, and what is open for a moment. */
#define DESCRIPTORS_KEPT (3 + FLAGS_HOSTS_MAX + 2 + 4 + UPSTREAM_SOCKETS + 2 + 6)
#define SANDBOX_PATHS (8 + FLAGS_ASSOCIATIONS_MAX)
#define BIND_AGAIN_MS 1000
#define ENDING_MS 25000 /* for what waits: less than the grace of 30 s that a DaemonSet's pods have */
#define ENDING_LOOK_MS 50

static const struct settings *settings;
FAR static struct connection places[PLACES];
FAR static struct partial partials[PARTIALS];
FAR static char rooms[1 + PARTIALS][PODS_ROOM];
FAR static struct loop_watch upstream_sockets[UPSTREAM_SOCKETS];
FAR static struct source_options ca_options;
static struct server_listener pods[FLAGS_HOSTS_MAX], probe_listener, metrics_listener;
static struct loop_timer bind_timer = {.deadline_ms = CLOCK_NEVER}, end_timer = {.deadline_ms = CLOCK_NEVER};
static int64_t end_by_ms;
static int status;

static int internal(const char *text) {
    return complain(REASON_INTERNAL, text);
}

/* ---- events ---- */

/* What is under way is finished, as the real agent does; a second signal ends at once. */
static void on_end_timer(struct loop_timer *t) {
    if (flights_waiting() == 0 || loop_now().mono_ms >= end_by_ms)
        loop_stop();
    else
        t->deadline_ms = loop_now().mono_ms + ENDING_LOOK_MS;
}

static void on_signal(int signal) {
    if (signal != SIGTERM && signal != SIGINT)
        return;
    LOG(LOG_INFO, "ending", LOG_TEXT("signal", signal == SIGTERM ? "TERM" : "INT"),
        LOG_NUMBER("waiting", (int64_t)flights_waiting()));
    if (end_by_ms != 0 || flights_waiting() == 0) {
        loop_stop();
        return;
    }
    server_last_answers();
    end_by_ms = loop_now().mono_ms + ENDING_MS;
    end_timer.deadline_ms = loop_now().mono_ms + ENDING_LOOK_MS;
}

static void on_clock_jump(void) {
    LOG(LOG_WARN, "the wall clock jumped", LOG_NUMBER("wall_ms", clock_now().wall_ms));
    renewals_clock_jumped();
    node_clock_jumped();
}

/* ---- the sandbox ---- */

static void put_paths(struct sandbox_rules *rules) {
    const struct settings *s = settings;
    sandbox_allow(rules, source_ca_file(&ca_options, flags_lookup), SANDBOX_READ_BESIDE);
    if (node_file_folder() != NULL)
        sandbox_allow(rules, node_file_folder(), SANDBOX_READ);
    if (node_token_file() != NULL)
        sandbox_allow(rules, node_token_file(), SANDBOX_READ_BESIDE);
    if (s->association_count > 0 && trust_file() != NULL)
        sandbox_allow(rules, trust_file(), SANDBOX_READ_BESIDE);
    if (s->remove_startup_taint != NULL || (s->association_count > 0 && trust_needs_server()))
        sandbox_allow(rules, API_SERVER_FOLDER, SANDBOX_READ);
    for (size_t i = 0; i < s->association_count; i++) {
        if (s->associations[i][0] == '/') /* it may come later, or be another one then */
            sandbox_allow(rules, s->associations[i], SANDBOX_READ_BESIDE);
    }
    sandbox_allow(rules, "/etc/hosts", SANDBOX_READ);
    sandbox_allow(rules, "/etc/resolv.conf", SANDBOX_READ);
}

static int enter_sandbox(void) {
    char text[512];
    struct buf problem = BUF(text);
    struct sandbox_path paths[SANDBOX_PATHS];
    struct sandbox_rules rules = {.paths = paths, .path_max = SANDBOX_PATHS, .may_resolve = true};
    uid_t uid = PRIVILEGES_USER;
    gid_t gid = PRIVILEGES_USER;
    (void)node_file_owner(&uid, &gid);
    if (!privileges_drop(uid, gid, &problem)) {
        if (settings->sandbox == SANDBOX_REQUIRE)
            return complain(SERVE_EXIT_NO_SANDBOX, text);
        LOG(LOG_WARN, "still root", LOG_TEXT("error", text));
    }
    buf_reset(&problem);
    put_paths(&rules);
    if (rules.overflow)
        return internal("more paths than the sandbox has rules for: an error of the program");
    return sandbox_enter(settings->sandbox, &rules, &problem) ? 0 : complain(SERVE_EXIT_NO_SANDBOX, text);
}

/* ---- start ---- */

static bool listen_on(struct server_listener *l, int fd, const struct server_handlers *handlers, size_t share,
                      size_t listener_partials, size_t larges) {
    *l = (struct server_listener){.handlers = handlers,
                                  .borrows = handlers == &pods_handlers,
                                  .share = share,
                                  .partials = listener_partials,
                                  .larges = larges};
    return server_listen(l, fd);
}

/* All addresses are bound: from here on this process takes bytes of pods, and can do little else. */
static int go_live(void) {
    size_t count = 0;
    int fds[FLAGS_HOSTS_MAX], result = enter_sandbox();
    if (result != 0)
        return result;
    for (size_t i = 0; i < settings->host_count; i++) {
        fds[i] = addresses_take(i);
        count += fds[i] >= 0;
    }
    for (size_t i = 0; i < settings->host_count; i++) {
        if (fds[i] < 0)
            continue;
        if (!listen_on(&pods[i], fds[i], &pods_handlers, PODS_SHARE / count, PODS_PARTIALS / count,
                       PODS_LARGES / count))
            return internal("cannot watch a listening socket: out of memory");
        pods[i].extras = &pods_extras;
        LOG(LOG_INFO, "serving", LOG_TEXT("address", settings->hosts[i].text),
            LOG_NUMBER("port", settings->port));
    }
    return 0;
}

static void try_to_go_live(void) {
    if (!addresses_bind(settings)) {
        bind_timer.deadline_ms = loop_now().mono_ms + BIND_AGAIN_MS;
        return;
    }
    status = go_live();
    if (status != 0)
        loop_stop();
}

static void on_bind_timer(struct loop_timer *t) {
    t->deadline_ms = CLOCK_NEVER;
    try_to_go_live();
}

/* Who asks there notices that nobody listens; pods are served all the same. */
static void open_admin(struct server_listener *l, const struct flags_host *host, uint16_t port,
                       const char *option, const struct server_handlers *handlers) {
    char text[512];
    struct buf problem = BUF(text);
    if (port == 0)
        return;
    int fd = listen_tcp(host->ipv6, host->address, &port, 0, &problem);
    if (fd < 0)
        LOG(LOG_ERROR, "cannot listen for probes or metrics", LOG_TEXT("option", option),
            LOG_TEXT("address", host->text), LOG_NUMBER("port", port), LOG_TEXT("error", text));
    else if (!listen_on(l, fd, handlers, ADMIN_SHARE, ADMIN_PARTIALS, 1))
        close(fd);
}

static void open_listeners(void) {
    static const struct flags_host localhost = {.text = "127.0.0.1", .address = {127, 0, 0, 1}};
    const struct server_storage storage = {.places = places,
                                           .place_count = PLACES,
                                           .partials = partials,
                                           .partial_count = PARTIALS,
                                           .rooms = rooms[0],
                                           .room_cap = PODS_ROOM};
    size_t usable = server_open(&storage, DESCRIPTORS_KEPT);
    if (usable < PLACES)
        LOG(LOG_WARN, "there can be fewer connections than planned",
            LOG_NUMBER("connections", (int64_t)usable), LOG_NUMBER("planned", PLACES),
            LOG_TEXT("remedy", "raise the hard limit of open files (RLIMIT_NOFILE) of the container"));
    admin_open(settings);
    open_admin(&probe_listener, &localhost, settings->probe_port, "probe-port", &admin_probe_handlers);
    open_admin(&metrics_listener, &settings->metrics_host, settings->metrics_port, "metrics-port",
               &admin_metrics_handlers);
}

/* Pods' own tokens are all that the exchange by web identity needs. */
static bool needs_node(void) {
    return settings->association_count == 0 || settings->exchange == FLAGS_ASSUME_ROLE;
}

static int open_upstream(void) {
    struct failure failure;
    struct ca_counts counts;
    ca_options.ca_bundle = settings->ca_bundle;
    if (authorities_read(&ca_options, flags_lookup, &counts, &failure) != REASON_OK) {
        if (failure.permanent)
            return complain_failure(&failure);
        LOG(LOG_WARN, "no authority to trust", LOG_TEXT("detail", failure.message),
            LOG_TEXT("remedy", failure.remedy));
    }
    exchange_eks_auth_open(settings->cluster_name, flags_lookup, settings->pass_expired);
    if (needs_node() && node_open(settings, flags_lookup, exchange_poke, &failure) != REASON_OK)
        return complain_failure(&failure);
    if (settings->association_count > 0 &&
        trust_open(settings, flags_lookup, pods_reconsider, &failure) != REASON_OK)
        return complain_failure(&failure);
    if (settings->remove_startup_taint != NULL &&
        startup_taint_open(settings, flags_lookup, &failure) != REASON_OK)
        return complain_failure(&failure);
    return 0;
}

static int open_events(void) {
    flags_lookup_open(settings);
    if (!keyed_hash_open())
        return internal("cannot get random bytes");
    if (!loop_open() || !watches_signals(on_signal) || !watches_clock(on_clock_jump) ||
        !upstream_open(upstream_sockets, UPSTREAM_SOCKETS))
        return internal("cannot set up the event loop: out of memory or file descriptors");
    bind_timer.expired = on_bind_timer;
    end_timer.expired = on_end_timer;
    loop_add_timer(&bind_timer);
    loop_add_timer(&end_timer);
    pods_open(settings);
    return open_upstream();
}

int serve(const struct settings *given) {
    settings = given;
    status = open_events();
    if (status != 0)
        return status;
    open_listeners();
    try_to_go_live();
    if (status == 0)
        loop_run();
    server_close();
    pods_close();
    if (needs_node())
        node_close();
    http_close();
    LOG(LOG_INFO, "ended", LOG_NUMBER("status", status));
    return status;
}
