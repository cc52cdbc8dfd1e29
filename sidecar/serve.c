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
#include "sidecar/answers.h"
#include "sidecar/complain.h"
#include "sidecar/doors.h"
#include "sidecar/imds.h"
#include "sidecar/metrics.h"
#include "sidecar/refresher.h"
#include "sidecar/tokens.h"
#include "sidecar/trust.h"

static const struct config *config;
FAR static struct source sources[CONFIG_PROFILES_MAX];
FAR static struct source_scratch source_scratch;
static const char *names[CONFIG_PROFILES_MAX];
static struct watches_file token_files[CONFIG_PROFILES_MAX];
static struct loop_watch upstream_sockets[SERVE_UPSTREAM_SOCKETS];
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

/* Whatever happened to the files meanwhile: those of bearers are written anew, the token's directory watched
 * anew, and the refresh writes the others. */
static void reopen(void) {
    char text[512];
    struct buf problem = BUF(text);
    watches_forget_files();
    watch_tokens();
    if (!doors_publish(&problem))
        LOG(LOG_ERROR, "cannot write a bearer's file", LOG_TEXT("error", problem.data));
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

static int open_listeners(void) {
    int status = doors_open(config);
    if (status != 0)
        return status;
    if (shared_network != NULL)
        LOG(LOG_WARN, "this pod has hostNetwork: every process of the node may ask on its loopback addresses",
            LOG_TEXT("because", shared_network), LOG_TEXT("http", doors_address(LISTENER_HTTP)),
            LOG_TEXT("imds", doors_address(LISTENER_IMDS)));
    for (size_t i = 0; i < config->profile_count; i++)
        log_source(i);
    warn_of_short_session();
    return 0;
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
    doors_server(SERVE_DESCRIPTORS_KEPT);
    return 0;
}

static void end(void) {
    refresher_stop();
    doors_close();
    imds_wipe();
    tokens_wipe();
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
        for (size_t k = 0; k < config->profiles[i].token_count; k++)
            sandbox_allow(&rules, config->profiles[i].tokens[k].file, SANDBOX_WRITE_BESIDE);
    }
    /* A name may need DNS over TCP, a proxy has any port, and a chain several servers. */
    rules.may_resolve = tls || names_only;
    if (!rules.may_resolve)
        rules.ports[rules.port_count++] = source_upstream(&sources[0])->port;
    doors_allow(&rules);
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
    doors_close();
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
        return status == DOORS_ENDED_EARLY ? 0 : status;
    refresher_open(config, sources);
    loop_run();
    end();
    return 0;
}
