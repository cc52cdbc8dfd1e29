/* pod-identity-get: prints the credential_process JSON of the sidecar, for SDKs that start a program for
 * credentials, and what else an image without tools needs of it: tokens, variables, a program that has them.
 *
 * Nothing but the JSON on stdout, and nothing at all on stderr when it succeeds: one SDK parses both
 * together.
 *
 * Most SDKs start a credential_process as "sh -c LINE", and images without a shell have no sh. Under the name
 * sh this program takes such a line if it names pod-identity-get, and does at once, in this very process,
 * what the line asks for. There it executes nothing, whatever the line or the environment says: there is no
 * way from it to another program, and none to another file that happens to be called pod-identity-get. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/options_help.h"
#include "common/base/process.h"
#include "common/base/version.h"
#include "common/base/wipe.h"
#include "sidecar/get/get_ask.h"
#include "sidecar/get/get_env.h"
#include "sidecar/get/get_token.h"
#include "sidecar/get/get_whoami.h"
#include "sidecar/get/shell_words.h"

#define NAME "pod-identity-get"
#define NAME_AS_SHELL "sh"
#define NAME_SHOWN 100

/* As shells have it. */
#define STATUS_SYNTAX 2
#define STATUS_NOT_FOUND 127

static bool take_socket(void *place, const char *value, struct buf *problem) {
    return option_text(value, place, GET_SOCKET_MAX, problem);
}

static bool take_profile(void *place, const char *value, struct buf *problem) {
    if (!ini_profile_valid(value)) {
        buf_str(problem, "no name of a profile: 1 to 128 letters, digits and any of -_.@+=,:/");
        return false;
    }
    return option_text(value, place, INI_PROFILE_MAX, problem);
}

/* The sidecar judges it, which knows what it is for. */
static bool take_text(void *place, const char *value, struct buf *problem) {
    return option_text(value, place, GET_TEXT_MAX, problem);
}

#define TEXT(member, name, value_name, help)                                                                 \
    OPTION_OF(struct get_config, member, get_text, name, value_name, "", help, take_text, false)
typedef char socket_path[GET_SOCKET_MAX];
typedef char profile_name[INI_PROFILE_MAX];

static const struct option_spec specs[] = {
    OPTION_GROUP("Options"),
    OPTION_OF(struct get_config, socket, socket_path, "unix-socket", "PATH",
              "/run/pod-identity/credentials.sock", "the Unix socket of pod-identity-sidecar", take_socket,
              false),
    OPTION_OF(struct get_config, profile, profile_name, "name", "NAME", "",
              "of a sidecar with several profiles: which one", take_profile, false),
    OPTION_FLAG(struct get_config, json, "json",
                "whoami: as JSON; Account, Arn and UserId are named as the AWS CLI does"),
    OPTION_GROUP("Tokens"),
    TEXT(host, "host", "HOST", "rds: the database's host, as the client connects to it"),
    TEXT(port, "port", "PORT", "rds: its port"),
    TEXT(user, "user", "USER", "rds, elasticache and memorydb: whom to log in as"),
    TEXT(cache, "cache", "NAME",
         "elasticache: the cache or replication group; memorydb: the cluster; in lower case"),
    OPTION_FLAG(struct get_config, serverless, "serverless", "elasticache: it is a serverless cache"),
    TEXT(cluster, "cluster", "NAME", "eks: the cluster's name"),
    TEXT(region, "region", "REGION", "of all of them; by default the sidecar's"),
    /* Old names. */
    OPTION_OLD(struct get_config, socket, socket_path, "socket", "PATH", take_socket),
    OPTION_OLD(struct get_config, profile, profile_name, "profile", "NAME", take_profile),
    {.name = NULL},
};

enum command { COMMAND_CREDENTIALS, COMMAND_TOKEN, COMMAND_ENV, COMMAND_WHOAMI, COMMAND_EXEC };

/* The first words are the commands. */
static const struct option_command commands[] = {
    {"token KIND",
     "Print a token that the sidecar signs: rds (needs --host, --port, --user), elasticache and memorydb "
     "(--cache, --user), msk, or eks (--cluster), which is an ExecCredential for kubectl.",
     NULL},
    {"env", "Print the credentials as variables, for a shell: eval \"$(pod-identity-get env)\".", NULL},
    {"whoami",
     "Print whose credentials these are, and when they end, as far as the sidecar was told: nothing is asked "
     "of AWS.",
     NULL},
    {"exec -- PROGRAM",
     "Become that program, with the credentials in its environment; they are not refreshed there.", NULL},
    {.name = NULL},
};

const struct options get_options = {
    .program = NAME,
    .synopsis = "[COMMAND] [OPTION]...",
    .about =
        "Prints the credentials of pod-identity-sidecar as credential_process JSON (Version 1), or, with "
        "a command, in another form.",
    .epilogue = "In the AWS config file:\n"
                "  [default]\n"
                "  credential_process = /run/pod-identity/pod-identity-get\n\n"
                "Exit status: 0; 1 no credentials, the reason is on standard error; 64 usage;\n"
                "of exec the program's, 126 and 127 if it cannot be run.\n",
    .specs = specs,
    .commands = commands,
};

/* Where complaints go, as the line of an SDK has it; -1: nowhere, which needs no /dev/null. */
static int complaints_fd = STDERR_FILENO;

static bool as_shell; /* under the name sh */

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

static int finish(bool ok, struct buf *out, const struct buf *problem) {
    int status = 0;
    if (!ok)
        status = complain(1, problem->data);
    else if (!io_write_all(STDOUT_FILENO, out->data, out->len))
        status = complain(1, "cannot write to standard output");
    buf_wipe(out);
    return status;
}

static int print_credentials(const struct get_config *config) {
    static struct unix_answer answer;
    char text[UNIX_CLIENT_PROBLEM_MAX];
    struct buf problem = BUF(text);
    int status = 0;
    if (!get_ask_credentials(config, &answer, &problem))
        status = complain(1, text);
    else if (!io_write_all(STDOUT_FILENO, answer.body, answer.body_len) ||
             !io_write_all(STDOUT_FILENO, "\n", 1))
        status = complain(1, "cannot write to standard output");
    wipe(&answer, sizeof answer);
    return status;
}

static int print_token(const struct get_config *config, const char *kind) {
    static char storage[GET_TOKEN_MAX];
    char text[UNIX_CLIENT_PROBLEM_MAX];
    struct buf out = BUF(storage), problem = BUF(text);
    return finish(get_token(config, kind, &out, &problem), &out, &problem);
}

static int print_env(const struct get_config *config) {
    static char storage[GET_ENV_MAX];
    char text[UNIX_CLIENT_PROBLEM_MAX];
    struct buf out = BUF(storage), problem = BUF(text);
    return finish(get_env(config, &out, &problem), &out, &problem);
}

static int print_identity(const struct get_config *config) {
    static char storage[GET_WHOAMI_MAX];
    char text[UNIX_CLIENT_PROBLEM_MAX];
    struct buf out = BUF(storage), problem = BUF(text);
    if (as_shell)
        return complain(64, "whoami: not under the name " NAME_AS_SHELL ", which SDKs start for credentials");
    return finish(get_whoami(config, &out, &problem), &out, &problem);
}

/* argv: the program, behind the "--"; NULL: there is none. */
static int become(const struct get_config *config, char **argv) {
    char text[UNIX_CLIENT_PROBLEM_MAX];
    struct buf problem = BUF(text);
    if (as_shell)
        return complain(64, "exec: under the name " NAME_AS_SHELL " nothing is run but " NAME " itself");
    if (argv == NULL || argv[0] == NULL)
        return complain(64, "exec needs a program behind two dashes: exec -- PROGRAM [ARGUMENT]...");
    int status = get_exec(config, argv, &problem);
    return complain(status, text);
}

/* False with the problem for what is no command, or has a word too many or too few. */
static bool find_command(const char *const *words, size_t count, enum command *out, struct buf *problem) {
    static const char *const names[] = {"token", "env", "whoami", "exec", NULL};
    char text[OPTIONS_PROBLEM_MAX / 2];
    struct buf why = BUF(text);
    size_t index = 0;
    *out = COMMAND_CREDENTIALS;
    if (count == 0)
        return true;
    if (!option_choice(words[0], names, &index, &why)) {
        buf_str(problem, "unknown command ");
        buf_printable(problem, words[0], strnlen(words[0], 65), 64);
        buf_fmt(problem, ": %s", text);
        return false;
    }
    *out = (enum command)(index + 1);
    if (*out == COMMAND_TOKEN && count == 1)
        buf_str(problem, "token needs a kind: rds, elasticache, memorydb, msk or eks");
    if (count > (*out == COMMAND_TOKEN ? 2U : 1U)) {
        buf_str(problem, "unexpected word ");
        buf_printable(problem, words[count - 1], strnlen(words[count - 1], 65), 64);
        if (*out == COMMAND_EXEC)
            buf_str(problem, "; the program stands behind two dashes: exec -- PROGRAM");
    }
    return problem->len == 0;
}

static int run_get(int argc, char **argv) {
    static char text[OPTIONS_HELP_MAX];
    static struct get_config config = {.socket = "/run/pod-identity/credentials.sock"};
    struct buf out = BUF(text);
    const char *words[3];
    size_t count;
    int own = 1; /* words of the line that are ours: those behind "--" are the program's */
    enum command command;
    while (own < argc && strcmp(argv[own], "--") != 0)
        own++;
    switch (options_read(&get_options, own, argv, &config, words, 3, &count, &out)) {
    case OPTIONS_USAGE:
        return complain(64, out.data);
    case OPTIONS_HELP:
        options_help(&get_options, own, argv, &out);
        return io_write_all(STDOUT_FILENO, out.data, out.len) ? 0 : 1;
    case OPTIONS_VERSION:
        version_text(get_options.program, &out);
        return io_write_all(STDOUT_FILENO, out.data, out.len) ? 0 : 1;
    case OPTIONS_OK:
        break;
    }
    if (!find_command(words, count, &command, &out))
        return complain(64, out.data);
    if (own < argc && argv[own + 1] != NULL && command != COMMAND_EXEC)
        return complain(64, "only exec takes words behind two dashes");
    switch (command) {
    case COMMAND_TOKEN:
        return print_token(&config, words[1]);
    case COMMAND_ENV:
        return print_env(&config);
    case COMMAND_WHOAMI:
        return print_identity(&config);
    case COMMAND_EXEC:
        return become(&config, own < argc ? argv + own + 1 : NULL);
    case COMMAND_CREDENTIALS:
        break;
    }
    return print_credentials(&config);
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
    as_shell = true;
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
