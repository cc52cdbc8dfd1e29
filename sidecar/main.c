/* pod-identity-sidecar: commands and exit statuses. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/far.h"
#include "common/base/io.h"
#include "common/base/options_help.h"
#include "common/base/process.h"
#include "common/base/version.h"
#include "common/base/wipe.h"
#include "common/pod/explain.h"
#include "common/serve/unix_client.h"
#include "sidecar/complain.h"
#include "sidecar/config_read.h"
#include "sidecar/once.h"
#include "sidecar/serve.h"
#include "sidecar/whoami.h"

static bool is_ready(const struct config *config, struct buf *problem) {
    static struct unix_answer answer;
    if (!unix_client_get(config->access.unix_socket, "/readyz", &answer, problem))
        return false;
    if (answer.status == 200)
        return true;
    buf_str(problem, "not ready: ");
    unix_client_explain(&answer, problem);
    return false;
}

/* It waits by asking again: it is a process for a moment, and the sidecar keeps no list of who waits. */
static int probe(const struct config *config) {
    static const struct timespec pause = {.tv_nsec = 100000000};
    int64_t end_ms = clock_now().mono_ms + config->wait_ms;
    char text[UNIX_CLIENT_PROBLEM_MAX];
    for (;;) {
        struct buf problem = BUF(text);
        if (is_ready(config, &problem))
            return 0;
        if (clock_now().mono_ms >= end_ms)
            return complain(1, text);
        (void)nanosleep(&pause, NULL);
    }
}

static int print(const struct buf *text) {
    return io_write_all(STDOUT_FILENO, text->data, text->len) ? 0 : REASON_INTERNAL;
}

static int print_version(void) {
    char text[VERSION_TEXT_MAX];
    struct buf out = BUF(text);
    version_text("pod-identity-sidecar", &out);
    return print(&out);
}

static int print_help(int argc, char **argv) {
    FAR static char text[OPTIONS_HELP_MAX];
    struct buf out = BUF(text);
    config_help(argc, argv, &out);
    return print(&out);
}

static int explain_reason(const char *reason) {
    FAR static char text[EXPLAIN_TEXT_MAX];
    char problem_text[OPTIONS_PROBLEM_MAX];
    struct buf out = BUF(text), problem = BUF(problem_text);
    return explain(reason, &out, &problem) ? print(&out) : complain(REASON_USAGE, problem_text);
}

static int run(const struct config *config) {
    switch (config->command) {
    case COMMAND_SERVE:
        return serve(config);
    case COMMAND_ONCE:
        return once(config);
    case COMMAND_PROBE:
        return probe(config);
    case COMMAND_WHOAMI:
        return whoami(config);
    case COMMAND_EXPLAIN:
        return explain_reason(config->explain);
    case COMMAND_VERSION:
        return print_version();
    }
    return REASON_INTERNAL;
}

/* Whether this is a command that runs in the container of a sidecar, beside it. */
static bool is_beside(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "probe") == 0 || strcmp(argv[i], "whoami") == 0)
            return true;
    }
    return false;
}

int main(int argc, char **argv) {
    FAR static struct config storage;
    struct config *config = far_hidden(&storage);
    char text[OPTIONS_PROBLEM_MAX];
    struct buf problem = BUF(text);
    process_harden();
    if (!is_beside(argc, argv))
        complain_open();
    switch (config_read(argc, argv, config, &problem)) {
    case OPTIONS_USAGE:
        return complain(REASON_USAGE, text);
    case OPTIONS_HELP:
        return print_help(argc, argv);
    case OPTIONS_VERSION:
        return print_version();
    case OPTIONS_OK:
        break;
    }
    log_setup(config->log_level, config->log_format, STDERR_FILENO);
    config_warn(config);
    int status = run(config);
    wipe(config, sizeof *config);
    return status;
}
