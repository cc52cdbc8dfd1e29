/* pod-identity-init: checks the pod's AWS identity once, tells what it found, and ends. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/environment.h"
#include "common/base/far.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "common/base/options_help.h"
#include "common/base/process.h"
#include "common/base/version.h"
#include "common/pod/explain.h"
#include "init/checks.h"
#include "init/config.h"
#include "init/report.h"

static void end_on_signal(int number) {
    static const char text[] = "pod-identity-init: ended by a signal while it was checking\n";
    (void)io_write_now(STDERR_FILENO, text, sizeof text - 1);
    _exit(128 + number);
}

/* As process 1 of a container, signals without a handler are ignored: then the pod would take its whole grace
 * to end. */
static void catch_signals(void) {
    struct sigaction end = {.sa_handler = end_on_signal};
    sigset_t none;
    sigemptyset(&end.sa_mask);
    sigemptyset(&none);
    (void)sigaction(SIGTERM, &end, NULL);
    (void)sigaction(SIGINT, &end, NULL);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The kubelet mounts the file, so it is there, and a rename onto it is impossible. Elsewhere a default that
 * nobody asked for is not created. An empty text empties the file: a reason of an earlier run must not stay.
 */
static void write_termination_log(const struct config *config, const struct buf *text) {
    int create = config->termination_log_named && text->len > 0 ? O_CREAT : 0;
    int fd =
        open(config->termination_log, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | create, 0644);
    bool ok = fd >= 0 && io_write_all(fd, text->data, text->len);
    if (!ok && config->termination_log_named && text->len > 0)
        LOG(LOG_WARN, "cannot write the termination log", LOG_TEXT("path", config->termination_log),
            LOG_TEXT("error", strerror(errno)));
    if (fd >= 0)
        close(fd);
}

static int usage(const struct config *config, const char *problem) {
    static char line_text[OPTIONS_PROBLEM_MAX + 64], termination[REPORT_TERMINATION_MAX];
    static struct failure failure;
    struct buf line = BUF(line_text), text = BUF(termination);
    buf_fmt(&line, "pod-identity-init: %s\n", problem);
    (void)io_write_within(STDERR_FILENO, line.data, line.len, REPORT_PATIENCE_MS);
    struct buf message = failure_begin(&failure, REASON_USAGE);
    buf_printable(&message, problem, strlen(problem), OPTIONS_PROBLEM_MAX);
    failure_remedy(&failure,
                   "correct this container's args or its POD_IDENTITY_ variables; --help lists the options");
    report_termination_line(&failure, &text);
    write_termination_log(config, &text);
    return REASON_USAGE;
}

static int check_all(const struct config *config) {
    FAR static struct run run;
    static struct report report;
    static char termination[REPORT_TERMINATION_MAX];
    struct buf text = BUF(termination);
    run.config = config;
    run.lookup = environment;
    run.source.kind = config->source.kind;
    checks_run(far_hidden(&run), &report);
    source_wipe_result(&run.source);
    const struct check_result *decisive = report_decisive(&report);
    if (decisive != NULL)
        report_termination_line(&decisive->finding, &text);
    write_termination_log(config, &text); /* first: nobody may be reading the report */
    const char *no_color = getenv("NO_COLOR");
    bool colour = isatty(STDOUT_FILENO) == 1 && (no_color == NULL || *no_color == '\0');
    bool told = config->format == FORMAT_JSON ? report_json(&report, STDOUT_FILENO)
                                              : report_text(&report, colour, STDOUT_FILENO);
    if (!told)
        LOG(LOG_WARN, "cannot write the report", LOG_TEXT("error", strerror(errno)));
    return (int)report_reason(&report);
}

static int print_help(int argc, char **argv) {
    FAR static char storage[OPTIONS_HELP_MAX];
    struct buf out = BUF(storage);
    options_help(&config_options, argc, argv, &out);
    return io_write_all(STDOUT_FILENO, out.data, out.len) ? REASON_OK : REASON_INTERNAL;
}

static int print(void (*fill)(struct buf *out)) {
    FAR static char storage[OPTIONS_HELP_MAX];
    struct buf out = BUF(storage);
    fill(&out);
    return io_write_all(STDOUT_FILENO, out.data, out.len) ? REASON_OK : REASON_INTERNAL;
}

static void fill_version(struct buf *out) {
    version_text(config_options.program, out);
}

static int explain_reason(const struct config *config) {
    FAR static char storage[EXPLAIN_TEXT_MAX];
    char problem_text[OPTIONS_PROBLEM_MAX];
    struct buf out = BUF(storage), problem = BUF(problem_text);
    if (!explain(config->explain, &out, &problem))
        return usage(config, problem.data);
    return io_write_all(STDOUT_FILENO, out.data, out.len) ? REASON_OK : REASON_INTERNAL;
}

int main(int argc, char **argv) {
    static struct config config;
    char problem_text[OPTIONS_PROBLEM_MAX];
    struct buf problem = BUF(problem_text);
    process_harden();
    catch_signals();
    switch (config_read(argc, argv, &config, &problem)) {
    case OPTIONS_HELP:
        return print_help(argc, argv);
    case OPTIONS_VERSION:
        return print(fill_version);
    case OPTIONS_USAGE:
        return usage(&config, problem.data);
    case OPTIONS_OK:
        break;
    }
    if (config.explain != NULL)
        return explain_reason(&config);
    return config.list_checks ? print(checks_list) : check_all(&config);
}
