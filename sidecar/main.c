/* pod-identity-sidecar: commands and exit statuses. */
#include <unistd.h>

#include "common/base/far.h"
#include "common/base/io.h"
#include "common/base/options_help.h"
#include "common/base/process.h"
#include "common/base/version.h"
#include "common/base/wipe.h"
#include "common/serve/unix_client.h"
#include "sidecar/complain.h"
#include "sidecar/config_read.h"
#include "sidecar/once.h"
#include "sidecar/serve.h"
#include "sidecar/whoami.h"

static int probe(const struct config *config) {
    static struct unix_answer answer;
    char text[UNIX_CLIENT_PROBLEM_MAX];
    struct buf problem = BUF(text);
    if (!unix_client_get(config->unix_socket, "/readyz", &answer, &problem))
        return complain(1, text);
    if (answer.status == 200)
        return 0;
    buf_str(&problem, "not ready: ");
    unix_client_explain(&answer, &problem);
    return complain(1, text);
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
    case COMMAND_VERSION:
        return print_version();
    }
    return REASON_INTERNAL;
}

int main(int argc, char **argv) {
    FAR static struct config config;
    char text[OPTIONS_PROBLEM_MAX];
    struct buf problem = BUF(text);
    process_harden();
    switch (config_read(argc, argv, &config, &problem)) {
    case OPTIONS_USAGE:
        return complain(REASON_USAGE, text);
    case OPTIONS_HELP:
        return print_help(argc, argv);
    case OPTIONS_VERSION:
        return print_version();
    case OPTIONS_OK:
        break;
    }
    log_setup(config.log_level, config.log_format, STDERR_FILENO);
    config_warn(&config);
    int status = run(&config);
    wipe(&config, sizeof config);
    return status;
}
