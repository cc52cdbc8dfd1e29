#include "sidecar/config.h"

#include "common/base/number.h"
#include "common/base/options_help.h"

#include <signal.h>
#include <string.h>

#define DEFAULT_SOCKET "/run/pod-identity/credentials.sock"
#define DEFAULT_PROFILE "default"

/* What handlers take that is an array. */
typedef char config_path[CONFIG_PATH_MAX];
typedef char listen_path[LISTEN_PATH_MAX];
typedef char profile_name[INI_PROFILE_MAX];

static bool is_off(const char *value) {
    return strcmp(value, "off") == 0;
}

/* An absolute path, or "off", which leaves it empty. */
static bool take_file(const char *value, char *out, size_t cap, struct buf *problem) {
    if (is_off(value)) {
        out[0] = '\0';
        return true;
    }
    if (value[0] != '/') {
        buf_str(problem, "not an absolute file path: it begins with a slash");
        return false;
    }
    if (value[strlen(value) - 1] == '/') {
        buf_str(problem, "not an absolute file path: it ends in a slash, as that of a folder");
        return false;
    }
    return option_text(value, out, cap, problem);
}

static bool take_path(void *place, const char *value, struct buf *problem) {
    return take_file(value, place, sizeof(config_path), problem);
}

static bool take_unix_socket(void *place, const char *value, struct buf *problem) {
    return take_file(value, place, sizeof(listen_path), problem);
}

static bool take_mode(void *place, const char *value, struct buf *problem) {
    uint32_t mode, decimal;
    unsigned len = number_read(value, 8, 0777, &mode);
    if (len == 0 || value[len] != '\0') {
        buf_str(problem, "no octal mode of 0777 or less, as in 0660");
        return false;
    }
    if (((mode >> 3 | mode) & 7 & ~(mode >> 6)) != 0) { /* 0640 is 416 for whoever reads it as a number */
        buf_fmt(problem, "it gives others what the owner lacks; a mode is octal, as in 0660");
        if (number_read(value, 10, 0777, &decimal) > 0 && *value != '0')
            buf_fmt(problem, " (%.3s in decimal is 0%03o)", value, (unsigned)decimal);
        return false;
    }
    *(mode_t *)place = (mode_t)mode;
    return true;
}

/* Numeric, as there is no /etc/passwd to look a name up in. */
static bool take_id(const char *value, const char *kind, uint32_t *out, struct buf *problem) {
    unsigned len = number_read(value, 10, UINT32_MAX - 1, out);
    if (len > 0 && value[len] == '\0')
        return true;
    buf_fmt(problem, "not a numeric %s id (names are not looked up)", kind);
    return false;
}

static bool take_group(void *place, const char *value, struct buf *problem) {
    return take_id(value, "group", place, problem);
}

/* Its place is the whole configuration. */
static bool take_allow_uid(void *config, const char *value, struct buf *problem) {
    struct config *c = config;
    if (c->allow_uid_count == OPTIONS_REPEAT_MAX) {
        buf_fmt(problem, "more than %d of them", OPTIONS_REPEAT_MAX);
        return false;
    }
    return take_id(value, "user", &c->allow_uid[c->allow_uid_count++], problem);
}

/* What is wrong with the form of an address; false: with the address itself. */
static bool misspelt(const char *value, bool loopback, struct buf *problem) {
    const char *example = loopback ? "127.0.0.1:9911" : "0.0.0.0:9912", *colon = strrchr(value, ':');
    size_t digits = strspn(value, "0123456789");
    uint32_t port;
    if (strstr(value, "://") != NULL)
        buf_fmt(problem, "an address, not a URL, is wanted, as in %s", example);
    else if (value[digits] == '\0' || (value[0] == ':' && value[1] != ':'))
        buf_fmt(problem, "the address in front of the port is missing, as in %s", example);
    else if (colon == NULL ||
             (value[0] == '[' && colon[-1] != ']' && strchr(value, ']') == value + strlen(value) - 1))
        buf_fmt(problem, "the port is missing, as in %s", example);
    else if (value[0] != '[' && strchr(value, ':') != colon)
        buf_str(problem, "an IPv6 address stands in brackets, as in [::1]:9911");
    else if (value[0] != '[' && strspn(value, "0123456789.") < (size_t)(colon - value))
        buf_fmt(problem, "a number is wanted, not a name: as in %s", example);
    else if (number_read(colon + 1, 10, 65535, &port) != strlen(colon + 1))
        buf_str(problem, "the port is not a number from 0 to 65535");
    if (problem->len == 0)
        return false;
    buf_str(problem, loopback ? " (loopback only)" : "");
    return true;
}

static bool take_loopback(void *place, const char *value, struct buf *problem) {
    struct config_address *out = place;
    if (is_off(value)) {
        out->text[0] = '\0';
        return true;
    }
    if (uri_parse_loopback(value, &out->ipv6, out->address, &out->port) != ERR_OK) {
        if (!misspelt(value, true, problem))
            buf_str(
                problem,
                "no loopback address with a port: 127.0.0.1:PORT or [::1]:PORT, and no other; any that is "
                "not loopback would hand the credentials to the network");
        return false;
    }
    return option_text(value, out->text, sizeof out->text, problem);
}

static bool take_address(void *place, const char *value, struct buf *problem) {
    struct config_address *a = place;
    if (is_off(value)) {
        a->text[0] = '\0';
        return true;
    }
    if (uri_parse_listen(value, &a->ipv6, a->address, &a->port) != ERR_OK) {
        if (!misspelt(value, false, problem))
            buf_str(problem, "not a numeric address with a port, such as 0.0.0.0:9912 or [::]:9912");
        return false;
    }
    return option_text(value, a->text, sizeof a->text, problem);
}

static bool take_signal(void *place, const char *value, struct buf *problem) {
    static const char *const names[] = {"HUP", "USR1", "USR2", "TERM", "INT", "WINCH", NULL};
    static const int signals[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGWINCH};
    size_t index;
    if (!option_choice(strncmp(value, "SIG", 3) == 0 ? value + 3 : value, names, &index, problem))
        return false;
    *(int *)place = signals[index];
    return true;
}

static bool take_profile(void *place, const char *value, struct buf *problem) {
    if (!ini_profile_valid(value)) {
        buf_str(problem, "no profile name: 1 to 128 letters, digits and any of -_.@+=,:/");
        return false;
    }
    return option_text(value, place, sizeof(profile_name), problem);
}

static bool take_host_network(void *place, const char *value, struct buf *problem) {
    static const char *const names[] = {"refuse", "accept", NULL};
    size_t index;
    if (!option_choice(value, names, &index, problem))
        return false;
    *(enum host_network_policy *)place = (enum host_network_policy)index;
    return true;
}

static bool take_sandbox(void *place, const char *value, struct buf *problem) {
    static const char *const names[] = {"auto", "require", "off", NULL};
    size_t index;
    if (!option_choice(value, names, &index, problem))
        return false;
    *(enum sandbox_mode *)place = (enum sandbox_mode)index;
    return true;
}

static bool take_log_level(void *place, const char *value, struct buf *problem) {
    static const char *const names[] = {"error", "warn", "info", "debug", NULL};
    size_t index;
    if (!option_choice(value, names, &index, problem))
        return false;
    *(enum log_level *)place = (enum log_level)index;
    return true;
}

static bool take_log_format(void *place, const char *value, struct buf *problem) {
    static const char *const names[] = {"text", "json", NULL};
    size_t index;
    if (!option_choice(value, names, &index, problem))
        return false;
    *(enum log_format *)place = (enum log_format)index;
    return true;
}

/* It was read before the others. */
static bool take_config(void *place, const char *value, struct buf *problem) {
    (void)place;
    (void)value;
    (void)problem;
    return true;
}

static const struct option_spec specs[] = {
    SOURCE_OPTION_SPECS(struct config, profiles[0].source),
    OPTION_GROUP("Files"),
    OPTION_OF(struct config, profiles[0].credentials_file, config_path, "credentials-file", "PATH", "off",
              "keep a profile of this shared credentials file fresh; the rest of the file stays", take_path,
              false),
    OPTION_OF(struct config, profiles[0].profile, profile_name, "file-profile", "NAME", DEFAULT_PROFILE,
              "the profile of --credentials-file", take_profile, false),
    OPTION_OF(struct config, profiles[0].profile, profile_name, "profile", "NAME", "", "", take_profile,
              false),
    OPTION_OF(struct config, profiles[0].process_file, config_path, "process-file", "PATH", "off",
              "keep a file with credential_process JSON fresh", take_path, false),
    OPTION_OF(struct config, profiles[0].file_mode, mode_t, "file-mode", "MODE", "0600", "mode of both files",
              take_mode, false),
    OPTION_GROUP("What is served"),
    /* From here on: of the whole sidecar. */
    OPTION(CONFIG_FILE_OPTION, "PATH", "off",
           "JSON file with several profiles, and these options by name; those above then stand there only "
           "(sidecar/CONFIG.md)",
           take_config, false),
    OPTION_OF(struct config, unix_socket, listen_path, "unix-socket", "PATH", DEFAULT_SOCKET,
              "serve on this Unix socket; off: none", take_unix_socket, false),
    OPTION_OF(struct config, http, struct config_address, "http", "ADDRESS", "off",
              "serve /v1/credentials to AWS SDKs on this loopback address: 127.0.0.1:PORT or [::1]:PORT",
              take_loopback, false),
    OPTION_OF(struct config, imds, struct config_address, "imds", "ADDRESS", "off",
              "answer as EC2's metadata service (version 2) on this loopback address, without a bearer: any "
              "process of the pod may ask",
              take_loopback, false),
    OPTION_DURATION(struct config, linger_ms, "linger", "0", "after SIGTERM, go on answering for so long"),
    OPTION_DURATION(struct config, wait_ms, "wait", "60s",
                    "how long once and whoami wait for credentials; 0, the default of probe: one attempt"),
    OPTION_GROUP("Access"),
    OPTION_OF(struct config, socket_mode, mode_t, "socket-mode", "MODE", "0660",
              "mode of the socket; who may write to it may read the credentials", take_mode, false),
    OPTION_OF(struct config, socket_group, gid_t, "socket-group", "GID", "",
              "numeric group of the socket: only its members are answered", take_group, false),
    OPTION("allow-uid", "UID", "",
           "answer this numeric user on the socket, and none that is neither listed nor of the group; "
           "repeatable",
           take_allow_uid, true),
    OPTION_OF(struct config, http_token_file, config_path, "http-token-file", "PATH",
              "http-token beside the socket",
              "file for the generated bearer of --http, mode 0640; POD_IDENTITY_HTTP_TOKEN sets a fixed one",
              take_path, false),
    SOURCE_OPTION(struct config, profiles[0].source, "expect-account", "ID", "",
                  "serve nothing, or fail, if the credentials are for another AWS account",
                  source_take_expect_account, false),
    SOURCE_OPTION(struct config, profiles[0].source, "expect-role", "ROLE", "",
                  "the same for another role, given as ARN or name; STS is asked at each refresh",
                  source_take_expect_role, false),
    OPTION_OF(struct config, host_network, enum host_network_policy, "host-network", "WHAT", "refuse",
              "--imds in a pod with hostNetwork, where every process of the node may ask: refuse, or accept",
              take_host_network, false),
    OPTION_OF(struct config, sandbox, enum sandbox_mode, "sandbox", "MODE", "auto",
              "if the kernel lacks a part: auto (log it) or require (fail); off: no sandbox", take_sandbox,
              false),
    OPTION_GROUP("Observing"),
    OPTION_OF(struct config, metrics, struct config_address, "metrics", "ADDRESS", "off",
              "serve /metrics, /healthz and /readyz on this address, any; nothing there is secret",
              take_address, false),
    OPTION_OF(struct config, log_level, enum log_level, "log-level", "LEVEL", "info",
              "error, warn, info or debug", take_log_level, false),
    OPTION_OF(struct config, log_format, enum log_format, "log-format", "FORMAT", "text",
              "text (logfmt) or json, on standard error", take_log_format, false),
    OPTION_OF(struct config, notify_pid_file, config_path, "notify-pid-file", "PATH", "off",
              "after each refresh, signal the process whose id is in this file", take_path, false),
    OPTION_OF(struct config, notify_signal, int, "notify-signal", "NAME", "HUP",
              "the signal: HUP, USR1, USR2, TERM, INT or WINCH", take_signal, false),
    {.name = NULL},
};

#define SERVERS_OWN                                                                                          \
    "host-network socket-mode socket-group allow-uid http http-token-file imds metrics linger sandbox "      \
    "notify-pid-file notify-signal"

static const struct option_command commands[] = {
    {"serve",
     "Fetch, refresh and serve until SIGTERM (the default); SIGUSR1 fetches anew, SIGHUP also writes "
     "all files again.",
     "!wait"},
    {"once", "Fetch, write --credentials-file and --process-file, exit.", "!unix-socket " SERVERS_OWN},
    {"probe", "Exit 0 if the sidecar on --unix-socket is ready, 1 if not: for exec probes.",
     "config unix-socket wait log-level log-format"},
    {"whoami",
     "Ask STS who the credentials are for: those of the sidecar on --unix-socket or, where none "
     "answers, new ones.",
     "!credentials-file file-profile profile process-file file-mode " SERVERS_OWN},
    {"explain", "Print a reason's cause, how to confirm it, and the fix: explain REASON.", ""},
    {"version", "The same as --version.", ""},
    {.name = NULL},
};

const struct options config_options = {
    .program = "pod-identity-sidecar",
    .synopsis = "[COMMAND] [OPTION]...",
    .about =
        "Fetches the pod's AWS credentials once (from the EKS Pod Identity Agent, or from STS), keeps them "
        "fresh, and serves them to every process of the pod.",
    .epilogue = "Examples:\n"
                "  pod-identity-sidecar --http=127.0.0.1:9911\n"
                "  pod-identity-sidecar once --credentials-file=/run/pod-identity/credentials\n\n"
                "Exit status: 0; 1 probe: not ready; 64 usage error; 70 internal error, or a call\n"
                "that the sandbox stopped; 71 no sandbox; 73 a socket, address or file. Those of\n"
                "pod-identity-init (10 to 30): all of once and whoami, of serve 10, 11 and 14.\n",
    .specs = specs,
    .commands = commands,
};

size_t config_profile_rows(void) {
    size_t i = 0;
    while (strcmp(specs[i].name, CONFIG_FILE_OPTION) != 0)
        i++;
    return i;
}

void *config_profile_place(struct config_profile *profile, const struct option_spec *spec) {
    return (char *)profile + (spec->at - offsetof(struct config, profiles));
}

void config_profile_defaults(struct config_profile *profile, const char *name) {
    struct buf section = BUF(profile->profile), own = BUF(profile->name);
    buf_str(&section, name);
    buf_str(&own, name);
    profile->file_mode = 0600;
}

void config_defaults(struct config *out) {
    /* Field by field, over storage that is zero: an assignment of the whole would make all of it resident. */
    memcpy(out->unix_socket, DEFAULT_SOCKET, sizeof DEFAULT_SOCKET);
    config_profile_defaults(&out->profiles[0], DEFAULT_PROFILE);
    out->profile_count = 1;
    out->socket_mode = 0660;
    out->socket_group = (gid_t)-1;
    out->notify_signal = SIGHUP;
    out->wait_ms = CONFIG_WAIT_DEFAULT;
    out->log_level = LOG_INFO;
    out->log_format = LOG_LOGFMT;
}

void config_help(int argc, char **argv, struct buf *out) {
    options_help(&config_options, argc, argv, out);
}
