/* The options of the sidecar and its commands, as rows: config.c makes its tables of them, and the build
 * packs the texts that only --help shows (common/deps/tools/pack.c). */
#ifndef POD_IDENTITY_SIDECAR_CONFIG_TABLE_H
#define POD_IDENTITY_SIDECAR_CONFIG_TABLE_H

#include "common/base/options.h"
#include "common/source/source_options.h"

#undef OPTION_HELP_OF
#define OPTION_HELP_OF(help) OPTIONS_PACKED

#define DEFAULT_SOCKET "/run/pod-identity/credentials.sock"
#define DEFAULT_PROFILE "default"

/* What comes before "config" is of a profile. */
#define CONFIG_SPECS                                                                                         \
    SOURCE_OPTION_SPECS(struct config, profiles[0].source), OPTION_GROUP("Files"),                           \
        OPTION_OF(struct config, profiles[0].credentials_file, config_path, "credentials-file", "PATH",      \
                  "off", "keep a profile of this shared credentials file fresh; the rest of the file stays", \
                  take_path, false),                                                                         \
        OPTION_OF(struct config, profiles[0].profile, profile_name, "file-profile", "NAME", DEFAULT_PROFILE, \
                  "the profile of --credentials-file", take_profile, false),                                 \
        OPTION_OLD(struct config, profiles[0].profile, profile_name, "profile", "NAME", take_profile),       \
        OPTION_OF(struct config, profiles[0].process_file, config_path, "process-file", "PATH", "off",       \
                  "keep a file with credential_process JSON fresh", take_path, false),                       \
        OPTION_OF(struct config, profiles[0].file_mode, mode_t, "file-mode", "MODE", "0600",                 \
                  "mode of both files", take_mode, false),                                                   \
        OPTION_GROUP("What is served"),                                                                      \
        OPTION(                                                                                              \
            CONFIG_FILE_OPTION, "PATH", "off",                                                               \
            "JSON file with several profiles, and these options by name; those above then stand there only " \
            "(sidecar/CONFIG.md)",                                                                           \
            take_config, false),                                                                             \
        OPTION_OF(struct config, access.unix_socket, listen_path, "unix-socket", "PATH", DEFAULT_SOCKET,     \
                  "serve on this Unix socket; off: none", take_unix_socket, false),                          \
        OPTION_OF(                                                                                           \
            struct config, http, struct config_address, "http", "ADDRESS", "off",                            \
            "serve /v1/credentials to AWS SDKs on this loopback address: 127.0.0.1:PORT or [::1]:PORT",      \
            take_loopback, false),                                                                           \
        OPTION_OF(                                                                                           \
            struct config, imds, struct config_address, "imds", "ADDRESS", "off",                            \
            "answer as EC2's metadata service (version 2) on this loopback address, without a bearer: any "  \
            "process of the pod may ask",                                                                    \
            take_loopback, false),                                                                           \
        OPTION_DURATION(struct config, linger_ms, "linger", "0",                                             \
                        "after SIGTERM, go on answering for so long"),                                       \
        OPTION_DURATION(                                                                                     \
            struct config, wait_ms, "wait", "60s",                                                           \
            "how long once and whoami wait for credentials; 0, the default of probe: one attempt"),          \
        OPTION_GROUP("Access"),                                                                              \
        OPTION_OF(struct config, socket_mode, mode_t, "socket-mode", "MODE", "0660",                         \
                  "mode of the socket; who may write to it may read the credentials", take_mode, false),     \
        OPTION_OF(struct config, access.socket_group, gid_t, "socket-group", "GID", "",                      \
                  "numeric group of the socket: only its members are answered", take_group, false),          \
        OPTION_OF(                                                                                           \
            struct config, access, struct config_access, "allow-uid", "UID", "",                             \
            "answer this numeric user on the socket, and none that is neither listed nor of the group; "     \
            "repeatable",                                                                                    \
            take_allow_uid, true),                                                                           \
        OPTION_OF(                                                                                           \
            struct config, access.http_token_file, config_path, "http-token-file", "PATH",                   \
            "http-token beside the socket",                                                                  \
            "file for the generated bearer of --http, mode 0640; POD_IDENTITY_HTTP_TOKEN sets a fixed one",  \
            take_path, false),                                                                               \
        SOURCE_OPTION(struct config, profiles[0].source, "expect-account", "ID", "",                         \
                      "serve nothing, or fail, if the credentials are for another AWS account",              \
                      source_take_expect_account, false),                                                    \
        SOURCE_OPTION(struct config, profiles[0].source, "expect-role", "ROLE", "",                          \
                      "the same for another role, given as ARN or name; STS is asked at each refresh",       \
                      source_take_expect_role, false),                                                       \
        OPTION_OF(                                                                                           \
            struct config, host_network, enum host_network_policy, "host-network", "WHAT", "refuse",         \
            "--imds in a pod with hostNetwork, where every process of the node may ask: refuse, or accept",  \
            take_host_network, false),                                                                       \
        OPTION_OF(struct config, sandbox, enum sandbox_mode, "sandbox", "MODE", "auto",                      \
                  "if the kernel lacks a part: auto (log it) or require (fail); off: no sandbox",            \
                  sandbox_take_mode, false),                                                                 \
        OPTION_GROUP("Observing"),                                                                           \
        OPTION_OF(struct config, metrics, struct config_address, "metrics", "ADDRESS", "off",                \
                  "serve /metrics, /healthz and /readyz on this address, any; nothing there is secret",      \
                  take_address, false),                                                                      \
        OPTION_OF(struct config, log_level, enum log_level, "log-level", "LEVEL", "info",                    \
                  "error, warn, info or debug", log_take_level, false),                                      \
        OPTION_OF(struct config, log_format, enum log_format, "log-format", "FORMAT", "text",                \
                  "text (logfmt) or json, on standard error", log_take_format, false),                       \
        OPTION_OF(struct config, notify_pid_file, config_path, "notify-pid-file", "PATH", "off",             \
                  "after each refresh, signal the process whose id is in this file", take_path, false),      \
        OPTION_OF(struct config, notify_signal, int, "notify-signal", "NAME", "HUP",                         \
                  "the signal: HUP, USR1, USR2, TERM, INT or WINCH", take_signal, false)

#define CONFIG_OF_SERVERS                                                                                    \
    "host-network socket-mode socket-group allow-uid http http-token-file imds metrics linger sandbox "      \
    "notify-pid-file notify-signal"

#define CONFIG_COMMANDS                                                                                      \
    COMMAND(                                                                                                 \
        "serve",                                                                                             \
        "Fetch, refresh and serve until SIGTERM (the default); SIGUSR1 fetches anew, SIGHUP also writes "    \
        "all files again.",                                                                                  \
        "!wait"),                                                                                            \
        COMMAND("once", "Fetch, write --credentials-file and --process-file, exit.",                         \
                "!unix-socket " CONFIG_OF_SERVERS),                                                          \
        COMMAND("probe", "Exit 0 if the sidecar on --unix-socket is ready, 1 if not: for exec probes.",      \
                "config unix-socket wait log-level log-format"),                                             \
        COMMAND("whoami",                                                                                    \
                "Ask STS who the credentials are for: those of the sidecar on --unix-socket or, where none " \
                "answers, new ones.",                                                                        \
                "!credentials-file file-profile profile process-file file-mode " CONFIG_OF_SERVERS),         \
        COMMAND("explain", "Print a reason's cause, how to confirm it, and the fix: explain REASON.", ""),   \
        COMMAND("version", "The same as --version.", "")

#define CONFIG_ABOUT                                                                                         \
    "Fetches the pod's AWS credentials once (from the EKS Pod Identity Agent, or from STS), keeps them "     \
    "fresh, and serves them to every process of the pod."

#define CONFIG_EPILOGUE                                                                                      \
    "Examples:\n"                                                                                            \
    "  pod-identity-sidecar --http=127.0.0.1:9911\n"                                                         \
    "  pod-identity-sidecar once --credentials-file=/run/pod-identity/credentials\n\n"                       \
    "Exit status: 0; 1 probe: not ready; 64 usage error; 70 internal error, or a call\n"                     \
    "that the sandbox stopped; 71 no sandbox; 73 a socket, address or file. Those of\n"                      \
    "pod-identity-init (10 to 30): all of once and whoami, of serve 10, 11 and 14.\n"

/* In the order in which options_help() counts them. */
#define CONFIG_TEXTS CONFIG_SPECS, CONFIG_COMMANDS, CONFIG_ABOUT, CONFIG_EPILOGUE

#endif
