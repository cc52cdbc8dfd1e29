/* The sidecar's options. */
#ifndef POD_IDENTITY_SIDECAR_CONFIG_H
#define POD_IDENTITY_SIDECAR_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/aws/aws_token.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "common/sandbox/sandbox.h"
#include "common/serve/listen.h"
#include "common/source/source.h"
#include "common/text/ini.h"
#include "sidecar/answers.h"
#include "sidecar/host_network.h"
#include "sidecar/routes.h"

#define CONFIG_PATH_MAX 4096
#define CONFIG_WAIT_DEFAULT (-1) /* until the command is known */

enum config_command {
    COMMAND_SERVE,
    COMMAND_ONCE,
    COMMAND_PROBE,
    COMMAND_WHOAMI,
    COMMAND_EXPLAIN,
    COMMAND_VERSION
};

struct config_address {
    char text[64]; /* "127.0.0.1:8080"; "" if off */
    bool ipv6;
    unsigned char address[16];
    uint16_t port;
};

#define CONFIG_PROFILES_MAX ANSWERS_PROFILES_MAX

/* Who reaches credentials, and where: of the whole sidecar, those of every profile; or of one profile, its
 * own. */
struct config_access {
    gid_t socket_group; /* (gid_t)-1: leave it */
    uid_t allow_uid[OPTIONS_REPEAT_MAX];
    size_t allow_uid_count;                /* 0: no list */
    char unix_socket[LISTEN_PATH_MAX];     /* "" if off */
    char http_token_file[CONFIG_PATH_MAX]; /* "": of the sidecar, beside the socket; of a profile, none */
};

/* A token that is kept in a file. The file last, so that what is not set takes no memory. */
#define CONFIG_TOKENS_MAX 8 /* of each profile */
struct config_token {
    struct aws_token token;
    mode_t mode;
    char file[CONFIG_PATH_MAX];
};

/* One result: where it comes from, and the files that it goes to. The long texts last, so that what is not
 * set takes no memory. */
struct config_profile {
    struct source_options source;
    mode_t file_mode;
    char name[INI_PROFILE_MAX];             /* in /v1/credentials/NAME */
    char profile[INI_PROFILE_MAX];          /* in the credentials file */
    char credentials_file[CONFIG_PATH_MAX]; /* "" if off, as process_file */
    char process_file[CONFIG_PATH_MAX];
    struct config_access access; /* on top of the sidecar's */
    size_t token_count;
    struct config_token tokens[CONFIG_TOKENS_MAX];
};

struct config {
    struct config_profile profiles[CONFIG_PROFILES_MAX]; /* the command line's is the first */
    size_t profile_count;
    enum config_command command;
    const char *explain; /* the reason to explain */
    mode_t socket_mode;
    int notify_signal;
    int64_t linger_ms;
    int64_t wait_ms; /* of `once`, `whoami` and `probe` */
    enum sandbox_mode sandbox;
    enum host_network_policy host_network;
    enum log_level log_level;
    enum log_format log_format;
    struct config_address http, imds, metrics;
    char http_token[ROUTES_BEARER_MAX];    /* from the environment; "": make one */
    struct config_access access;           /* to every profile */
    char notify_pid_file[CONFIG_PATH_MAX]; /* "" if off */
};

/* The first option that is not of a profile: its value is a file, which is read before all others. */
#define CONFIG_FILE_OPTION "config"

/* For those who read it: the table, with the first profile as the place of what is of a profile; the defaults
 * of a profile; and how many rows at its start are of one. */
extern const struct options config_options;
size_t config_profile_rows(void);
/* Whether a row further down is of a profile, too: who reaches it, and where. */
bool config_is_access(const struct option_spec *spec);
/* Where such a row puts its value in any profile. */
void *config_profile_place(struct config_profile *profile, const struct option_spec *spec);
void config_profile_defaults(struct config_profile *profile, const char *name);
/* The whole of it as it is with no option. out is zero. */
void config_defaults(struct config *out);

/* The text of --help. */
void config_help(int argc, char **argv, struct buf *out);

#endif
