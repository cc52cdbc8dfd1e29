/* pod-identity-agent: commands and exit statuses. */
#include <unistd.h>

#include "agent/agent_version.h"
#include "agent/complain.h"
#include "agent/flags.h"
#include "agent/initialize.h"
#include "agent/probes.h"
#include "agent/serve.h"
#include "common/base/far.h"
#include "common/base/io.h"
#include "common/base/process.h"

static int print(int fd, const struct buf *text, int status) {
    return io_write_all(fd, text->data, text->len) ? status : REASON_INTERNAL;
}

static int print_version(void) {
    char text[AGENT_VERSION_MAX];
    struct buf out = BUF(text);
    agent_version(&out);
    return print(STDOUT_FILENO, &out, 0);
}

static int run(const struct settings *settings) {
    char text[1024];
    struct buf problem = BUF(text);
    switch (settings->command) {
    case COMMAND_SERVER:
        return serve(settings);
    case COMMAND_INITIALIZE:
        return initialize(&problem) ? 0 : complain(1, text);
    case COMMAND_PROBE:
        return probe(settings, &problem) ? 0 : complain(1, text);
    case COMMAND_VERSION:
        return print_version();
    }
    return REASON_INTERNAL;
}

int main(int argc, char **argv) {
    FAR static struct settings settings;
    FAR static char help_text[FLAGS_HELP_MAX];
    char text[FLAGS_PROBLEM_MAX];
    process_harden();
    struct buf problem = BUF(text), help = BUF(help_text);
    switch (flags_read(argc, argv, &settings, &problem, &help)) {
    case FLAGS_HELP:
        return print(STDOUT_FILENO, &help, 0);
    case FLAGS_USAGE:
        (void)print(STDERR_FILENO, &help,
                    FLAGS_EXIT_USAGE); /* the reason last: logs are read from their end */
        return complain(FLAGS_EXIT_USAGE, text);
    case FLAGS_RUN:
        break;
    }
    return run(&settings);
}
