#include "sidecar/config_read.h"

#include <stdlib.h>
#include <string.h>

#include "sidecar/config_file.h"
#include "sidecar/config_tokens.h"
#include "sidecar/separation.h"

static const char *const command_names[] = {"serve", "once", "probe", "whoami", "explain", "version", NULL};

static bool take_command(const char *word, size_t *command, struct buf *problem) {
    char text[OPTIONS_PROBLEM_MAX / 2];
    struct buf reason = BUF(text);
    if (option_choice(word, command_names, command, &reason))
        return true;
    if (strcmp(word, "help") == 0)
        buf_str(&reason, "; did you mean --help?");
    buf_str(problem, "unknown command ");
    buf_printable(problem, word, strnlen(word, 65), 64);
    buf_fmt(problem, ": %s", reason.data);
    return false;
}

/* Not an option: a secret must not stand in argv. A line break at the end is what `kubectl create secret
 * --from-file` leaves of a file's last line; SDKs cannot send it. */
static bool read_http_token(struct config *out, struct buf *problem) {
    const char *token = getenv("POD_IDENTITY_HTTP_TOKEN");
    if (token == NULL || *token == '\0')
        return true;
    size_t len = strnlen(token, ROUTES_BEARER_MAX + 2);
    while (len > 0 && (token[len - 1] == '\n' || token[len - 1] == '\r'))
        len--;
    bool usable = len >= 16 && len < ROUTES_BEARER_MAX;
    for (size_t i = 0; usable && i < len; i++)
        usable = token[i] > ' ' && token[i] < 0x7F;
    if (!usable) {
        buf_str(problem,
                "POD_IDENTITY_HTTP_TOKEN: a bearer has 16 to 256 visible ASCII characters and no blank");
        return false;
    }
    memcpy(out->http_token, token, len);
    return true;
}

static bool writes(const struct config_profile *p) {
    return p->credentials_file[0] != '\0' || p->process_file[0] != '\0' || p->token_count > 0;
}

/* Two profiles may share a credentials file, each with a section of its own, and nothing else. */
static bool check_files(const struct config *c, struct buf *problem) {
    for (size_t i = 0; i < c->profile_count; i++) {
        const struct config_profile *p = &c->profiles[i];
        if (p->credentials_file[0] != '\0' && strcmp(p->credentials_file, p->process_file) == 0)
            buf_str(problem, "--credentials-file and --process-file name the same file");
        else if (c->command == COMMAND_ONCE && !writes(p))
            buf_str(problem, "once needs --credentials-file or --process-file: there is nothing else that it "
                             "could leave behind");
        for (size_t k = 0; k < i && problem->len == 0; k++) {
            const struct config_profile *o = &c->profiles[k];
            bool section = strcmp(o->credentials_file, p->credentials_file) == 0 &&
                           p->credentials_file[0] != '\0' && strcmp(o->profile, p->profile) == 0;
            bool file = p->process_file[0] != '\0' && (strcmp(o->process_file, p->process_file) == 0 ||
                                                       strcmp(o->credentials_file, p->process_file) == 0);
            if (section || file)
                buf_fmt(problem, "the profiles %.64s and %.64s write the same %s", o->name, p->name,
                        section ? "section of a credentials file" : "file");
        }
    }
    return problem->len == 0;
}

/* Options that a command has no use for: whoever gives them means something that does not happen. Variables
 * are not looked at: a probe shares those of its sidecar. */
static bool check_use(const struct config *c, int argc, char **argv, struct buf *problem) {
    const struct option_command *command = &config_options.commands[c->command];
    for (const struct option_spec *spec = config_options.specs; spec->name != NULL; spec++) {
        if (!option_is_of(command, spec->name) && options_given(argc, argv, spec->name)) {
            buf_fmt(problem, "--%s is of no use to %s: leave it out", spec->name, command->name);
            return false;
        }
    }
    bool names = options_given(argc, argv, "file-profile") || options_given(argc, argv, "profile");
    if (names && c->profiles[0].credentials_file[0] == '\0')
        buf_str(problem, "--file-profile needs --credentials-file");
    else if (options_given(argc, argv, "file-mode") && !writes(&c->profiles[0]))
        buf_str(problem, "--file-mode needs --credentials-file or --process-file");
    return problem->len == 0;
}

static bool same_address(const struct config_address *a, const struct config_address *b) {
    return a->text[0] != '\0' && a->port != 0 && strcmp(a->text, b->text) == 0;
}

/* What `serve` is to serve, and where. */
static bool check_listeners(const struct config *c, struct buf *problem) {
    bool files = false, imds = same_address(&c->imds, &c->http);
    for (size_t i = 0; i < c->profile_count; i++)
        files = files || writes(&c->profiles[i]) || c->profiles[i].access.unix_socket[0] != '\0';
    if (!files && c->access.unix_socket[0] == '\0' && c->http.text[0] == '\0' && c->imds.text[0] == '\0')
        buf_str(problem,
                "there is nothing to serve: give --unix-socket, --http, --imds, --credentials-file or "
                "--process-file");
    else if (imds || same_address(&c->metrics, &c->http) || same_address(&c->metrics, &c->imds))
        buf_fmt(problem, "--%s=%s: another option has that address, too: each needs a port of its own",
                imds ? "imds" : "metrics", imds ? c->imds.text : c->metrics.text);
    return problem->len == 0 && separation_check(c, problem);
}

/* With --http: who has a right to what is served there? */
static bool has_bearer(const struct config *c) {
    bool any =
        c->http_token[0] != '\0' || c->access.http_token_file[0] != '\0' || c->access.unix_socket[0] != '\0';
    for (size_t i = 0; i < c->profile_count; i++)
        any = any || c->profiles[i].access.http_token_file[0] != '\0';
    return any;
}

static bool check_together(const struct config *c, struct buf *problem) {
    if (!check_files(c, problem) || !config_tokens_check(c, problem) ||
        (c->command == COMMAND_SERVE && !check_listeners(c, problem)))
        return false;
    if (c->command == COMMAND_PROBE && c->access.unix_socket[0] == '\0')
        buf_str(problem, "probe needs --unix-socket");
    else if (c->http.text[0] != '\0' && !has_bearer(c))
        buf_str(problem, "--http without --unix-socket needs --http-token-file or POD_IDENTITY_HTTP_TOKEN");
    return problem->len == 0;
}

/* The value of --config, or of its variable; NULL: none. */
static const char *find_file(int argc, char **argv) {
    static const char option[] = "--" CONFIG_FILE_OPTION;
    const char *found = getenv("POD_IDENTITY_CONFIG");
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], option) == 0 && i + 1 < argc)
            found = argv[i + 1];
        else if (strncmp(argv[i], option, sizeof option - 1) == 0 && argv[i][sizeof option - 1] == '=')
            found = argv[i] + sizeof option;
    }
    return found != NULL && *found != '\0' && strcmp(found, "off") != 0 ? found : NULL;
}

/* What the command line or the whole file expects holds for every profile. */
static void guard_all(struct config *c) {
    for (size_t i = 0; i < c->profile_count; i++) {
        c->profiles[i].source.expect_account = c->profiles[0].source.expect_account;
        c->profiles[i].source.expect_role = c->profiles[0].source.expect_role;
        c->profiles[i].source.guard = c->command == COMMAND_SERVE || c->command == COMMAND_ONCE;
    }
}

enum options_result config_read(int argc, char **argv, struct config *out, struct buf *problem) {
    const char *operands[2];
    size_t operand_count, command = COMMAND_SERVE;
    const char *file = find_file(argc, argv);
    struct options known = config_options;
    config_defaults(out);
    if (file != NULL && !config_file_read(file, out, problem))
        return OPTIONS_USAGE;
    if (file != NULL)
        known.specs = config_options.specs + config_profile_rows();
    enum options_result result = options_read(&known, argc, argv, out, operands, 2, &operand_count, problem);
    if (result != OPTIONS_OK)
        return result;
    if (operand_count > 0 && !take_command(operands[0], &command, problem))
        return OPTIONS_USAGE;
    if (operand_count > 1 && command != COMMAND_EXPLAIN) {
        buf_str(problem, "unexpected word ");
        buf_printable(problem, operands[1], strnlen(operands[1], 65), 64);
        return OPTIONS_USAGE;
    }
    out->command = (enum config_command)command;
    if (out->wait_ms == CONFIG_WAIT_DEFAULT)
        out->wait_ms = out->command == COMMAND_PROBE ? 0 : 60000;
    out->explain = operand_count > 1 ? operands[1] : "";
    if ((file == NULL && !source_options_spread(&out->profiles[0].source, problem)) ||
        !read_http_token(out, problem) || !check_together(out, problem) ||
        !check_use(out, argc, argv, problem))
        return OPTIONS_USAGE;
    guard_all(out);
    return OPTIONS_OK;
}

/* Every user of the pod, and of other containers that share the volume. */
static void warn_of_mode(const char *option, mode_t mode, const char *profile) {
    char text[8];
    struct buf b = BUF(text);
    buf_fmt(&b, "0%03o", (unsigned)mode);
    LOG(LOG_WARN, "every user may read the credentials there", LOG_TEXT("option", option),
        LOG_TEXT("mode", text), profile != NULL ? LOG_TEXT("profile", profile) : LOG_END);
}

static void warn_of_variable(void *context, const char *variable, const char *meant) {
    (void)context;
    LOG(LOG_WARN, "no option has that name: the variable is not used", LOG_TEXT("variable", variable),
        meant[0] != '\0' ? LOG_TEXT("did_you_mean", meant) : LOG_END);
}

void config_warn(const struct config *c) {
    if (c->command <= COMMAND_ONCE) /* a probe shares the variables of its sidecar, which said it */
        options_unknown(&config_options, warn_of_variable, NULL);
    bool socket = c->command == COMMAND_SERVE && c->access.unix_socket[0] != '\0';
    if (socket && (c->socket_mode & 02) != 0 && c->access.allow_uid_count == 0 &&
        c->access.socket_group == (gid_t)-1)
        warn_of_mode("--socket-mode", c->socket_mode, NULL);
    for (size_t i = 0; i < c->profile_count && c->command <= COMMAND_ONCE; i++) {
        const struct config_profile *p = &c->profiles[i];
        for (size_t k = 0; k < p->token_count; k++) {
            if ((p->tokens[k].mode & 04) != 0)
                warn_of_mode("tokens", p->tokens[k].mode, p->name);
        }
        if (writes(p) && (p->file_mode & 04) != 0)
            warn_of_mode("--file-mode", p->file_mode, c->profile_count > 1 ? p->name : NULL);
    }
}
