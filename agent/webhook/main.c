/* pod-identity-webhook: commands and exit statuses. */
#include <unistd.h>

#include "agent/webhook/check_command.h"
#include "agent/webhook/command_line.h"
#include "agent/webhook/complaint.h"
#include "agent/webhook/review_command.h"
#include "agent/webhook/webhook_serve.h"
#include "common/base/far.h"
#include "common/base/io.h"
#include "common/base/options_help.h"
#include "common/base/process.h"
#include "common/base/version.h"

static int print(const struct buf *text) {
    return io_write_all(STDOUT_FILENO, text->data, text->len) ? 0 : REASON_INTERNAL;
}

static int print_version(void) {
    char text[VERSION_TEXT_MAX];
    struct buf out = BUF(text);
    version_text("pod-identity-webhook", &out);
    return print(&out);
}

static int print_help(int argc, char **argv) {
    FAR static char text[OPTIONS_HELP_MAX];
    struct buf out = BUF(text);
    command_line_help(argc, argv, &out);
    return print(&out);
}

static int run(const struct webhook_settings *settings) {
    switch (settings->command) {
    case WEBHOOK_SERVE:
        return webhook_serve(settings);
    case WEBHOOK_CHECK:
        return check_command(settings);
    case WEBHOOK_REVIEW:
        return review_command(settings);
    case WEBHOOK_VERSION:
        return print_version();
    }
    return REASON_INTERNAL;
}

int main(int argc, char **argv) {
    FAR static struct webhook_settings settings;
    char text[OPTIONS_PROBLEM_MAX];
    struct buf problem = BUF(text);
    process_harden();
    switch (command_line_read(argc, argv, &settings, &problem)) {
    case OPTIONS_USAGE:
        return complaint(REASON_USAGE, text);
    case OPTIONS_HELP:
        return print_help(argc, argv);
    case OPTIONS_VERSION:
        return print_version();
    case OPTIONS_OK:
        break;
    }
    log_setup(settings.log_level, settings.log_format, STDERR_FILENO);
    command_line_warn();
    return run(&settings);
}
