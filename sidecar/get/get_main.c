/* pod-identity-get: prints the credential_process JSON of the sidecar, for SDKs that start a program for
 * credentials.
 *
 * Nothing but the JSON on stdout, and nothing at all on stderr when it succeeds: one SDK parses both
 * together.
 *
 * Most SDKs start a credential_process as "sh -c LINE", and images without a shell have no sh. Under the name
 * sh this program takes such a line if it names pod-identity-get, and does at once, in this very process,
 * what the line asks for. It executes nothing, whatever the line or the environment says: there is no way
 * from it to another program, and none to another file that happens to be called pod-identity-get. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/options_help.h"
#include "common/base/process.h"
#include "common/base/version.h"
#include "common/base/wipe.h"
#include "common/serve/unix_client.h"
#include "common/text/ini.h"
#include "sidecar/get/shell_words.h"

#define SOCKET_PATH_MAX 108
#define NAME "pod-identity-get"
#define NAME_AS_SHELL "sh"
#define NAME_SHOWN 100

/* As shells have it. */
#define STATUS_SYNTAX 2
#define STATUS_NOT_FOUND 127

struct get_config {
    char socket[SOCKET_PATH_MAX];
    char profile[INI_PROFILE_MAX]; /* "": the first */
};

static bool take_socket(void *config, const char *value, struct buf *problem) {
    struct get_config *c = config;
    return option_text(value, c->socket, sizeof c->socket, problem);
}

static bool take_profile(void *config, const char *value, struct buf *problem) {
    struct get_config *c = config;
    if (!ini_profile_valid(value)) {
        buf_str(problem, "no name of a profile: 1 to 128 letters, digits and any of -_.@+=,:/");
        return false;
    }
    return option_text(value, c->profile, sizeof c->profile, problem);
}

static const struct option_spec specs[] = {
    OPTION_GROUP("Options"),
    OPTION("unix-socket", "PATH", "/run/pod-identity/credentials.sock",
           "the Unix socket of pod-identity-sidecar", take_socket, false),
    OPTION("name", "NAME", "", "of a sidecar with several profiles: which one", take_profile, false),
    /* Old names. */
    OPTION("socket", "PATH", "", "", take_socket, false),
    OPTION("profile", "NAME", "", "", take_profile, false),
    {.name = NULL},
};

static const struct options options = {
    .program = NAME,
    .synopsis = "[--unix-socket=PATH] [--name=NAME]",
    .about = "Prints the credentials of pod-identity-sidecar as credential_process JSON (Version 1).",
    .epilogue = "In the AWS config file:\n"
                "  [default]\n"
                "  credential_process = /run/pod-identity/pod-identity-get\n\n"
                "Exit status: 0; 1 no credentials, the reason is on standard error; 64 usage.\n",
    .specs = specs,
};

/* Where complaints go, as the line of an SDK has it; -1: nowhere, which needs no /dev/null. */
static int complaints_fd = STDERR_FILENO;

static int complain_as(const char *name, int status, const char *text) {
    char line[OPTIONS_PROBLEM_MAX + UNIX_CLIENT_PROBLEM_MAX + 32]; /* whichever of the two it is */
    struct buf b = BUF(line);
    buf_fmt(&b, "%s: %s\n", name, text);
    if (complaints_fd >= 0)
        (void)io_write_all(complaints_fd, b.data, b.len);
    return status;
}

static int complain(int status, const char *text) {
    return complain_as(NAME, status, text);
}

/* Without a JSON parser: what a sidecar answers begins and ends so, and an SDK must not be handed anything
 * else. */
static bool looks_right(const struct unix_answer *a) {
    static const char start[] = "{\"Version\":1,\"AccessKeyId\":\"", end[] = "\"}";
    return a->body_len >= sizeof start + sizeof end && memcmp(a->body, start, sizeof start - 1) == 0 &&
           memcmp(a->body + a->body_len - 2, end, 2) == 0 && memchr(a->body, '\0', a->body_len) == NULL;
}

static int get(const struct get_config *config) {
    static struct unix_answer answer;
    const char *socket_path = config->socket;
    char path_text[INI_PROFILE_MAX + 32];
    struct buf path = BUF(path_text);
    char text[UNIX_CLIENT_PROBLEM_MAX];
    struct buf problem = BUF(text);
    int status = 1;
    buf_str(&path, "/v1/credential-process");
    if (config->profile[0] != '\0')
        buf_fmt(&path, "/%s", config->profile);
    if (!unix_client_get(socket_path, path.data, &answer, &problem)) {
        complain(status, problem.data);
    } else if (answer.status != 200) {
        unix_client_explain(&answer, &problem);
        complain(status, problem.data);
    } else if (!looks_right(&answer)) {
        buf_fmt(&problem, "the answer from %s is not credential_process JSON: no sidecar listens there",
                socket_path);
        complain(status, problem.data);
    } else if (!io_write_all(STDOUT_FILENO, answer.body, answer.body_len) ||
               !io_write_all(STDOUT_FILENO, "\n", 1)) {
        complain(status, "cannot write to standard output");
    } else {
        status = 0;
    }
    wipe(&answer, sizeof answer);
    return status;
}

static int run_get(int argc, char **argv) {
    static char text[OPTIONS_HELP_MAX];
    struct buf out = BUF(text);
    struct get_config config = {.socket = "/run/pod-identity/credentials.sock"};
    size_t operands;
    switch (options_read(&options, argc, argv, &config, NULL, 0, &operands, &out)) {
    case OPTIONS_USAGE:
        return complain(64, out.data);
    case OPTIONS_HELP:
        options_help(&options, argc, argv, &out);
        return io_write_all(STDOUT_FILENO, out.data, out.len) ? 0 : 1;
    case OPTIONS_VERSION:
        version_text(options.program, &out);
        return io_write_all(STDOUT_FILENO, out.data, out.len) ? 0 : 1;
    case OPTIONS_OK:
        break;
    }
    return get(&config);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* sh -c [--] LINE [NAME [ARGUMENT]...]: the C library's popen puts the "--"; what follows the line are
 * values of $0, $1 and so on, which no line that is accepted can use. */
static int run_shell(int argc, char **argv) {
    static struct shell_line line;
    char text[OPTIONS_PROBLEM_MAX];
    struct buf problem = BUF(text);
    int at = argc > 2 && strcmp(argv[2], "--") == 0 ? 3 : 2;
    if (argc < 2 || strcmp(argv[1], "-c") != 0 || at >= argc) {
        buf_str(&problem, "this is " NAME " under the name " NAME_AS_SHELL
                          ", no shell: all that it takes is -c 'PATH/" NAME " [OPTION]...'");
        return complain_as(NAME_AS_SHELL, STATUS_SYNTAX, problem.data);
    }
    if (!shell_words_split(argv[at], &line, &problem)) {
        buf_str(&problem, " (this is " NAME ", no shell)");
        return complain_as(NAME_AS_SHELL, STATUS_SYNTAX, problem.data);
    }
    if (line.errors != SHELL_ERRORS_KEPT)
        complaints_fd = line.errors == SHELL_ERRORS_TO_STDOUT ? STDOUT_FILENO : -1;
    const char *program = base_name(line.words[0]);
    if (strcmp(program, NAME) != 0) {
        buf_printable(&problem, program, strlen(program), NAME_SHOWN);
        buf_str(&problem, ": not found: this is " NAME ", no shell, and runs nothing but itself");
        return complain_as(NAME_AS_SHELL, STATUS_NOT_FOUND, problem.data);
    }
    return run_get((int)line.count, line.words);
}

int main(int argc, char **argv) {
    process_harden();
    if (argc > 0 && strcmp(base_name(argv[0]), NAME_AS_SHELL) == 0)
        return run_shell(argc, argv);
    return run_get(argc, argv);
}
