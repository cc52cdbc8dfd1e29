/* Command line options as a table: parsing, environment variables and --help all come from it.
 *
 * Every option "--some-name" can also be given as POD_IDENTITY_SOME_NAME; the option wins. "--name=value" and
 * "--name value" are the same; a flag takes no value on the command line and true, false, 1, 0, on or off in
 * the environment. */
#ifndef POD_IDENTITY_BASE_OPTIONS_H
#define POD_IDENTITY_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/buf.h"

#define OPTIONS_VALUE_MAX 4096 /* a path is the longest thing that an option takes */
#define OPTIONS_REPEAT_MAX 16  /* values of an option that may be repeated */
#define OPTIONS_PROBLEM_MAX 1024

/* Takes the value into *place; false if it is none, with the reason in words that fit behind
 * "--name=value: ". */
typedef bool option_take(void *place, const char *value, struct buf *problem);

struct option_spec {
    const char *name; /* made by OPTION() */
    option_take *take;
    bool repeatable; /* may come more than once; in the environment the values are separated by blanks */
    uint32_t at;     /* where in the program's configuration its place is */
};

/* A row of literals: OPTION("min-ttl", "DURATION", "60s", "help", take_min_ttl, false). Without a value name
 * it is a flag, and `take` gets "true" or "false"; the default is for --help only, and may be "". All texts
 * lie one behind the other, each with its NUL, since in a static PIE each pointer costs 32 bytes. */
#define OPTION(name, value_name, default_text, help, take, repeatable)                                       \
    { name "\0" value_name "\0" default_text "\0" OPTION_HELP_OF(help), take, repeatable, 0 }

/* The same for one member of a configuration: `take` gets its address. kind is the type that it takes: it
 * does not compile if the member has another. */
#define OPTION_OF(type, member, kind, name, value_name, default_text, help, take, repeatable)                \
    {                                                                                                        \
        name "\0" value_name "\0" default_text "\0" OPTION_HELP_OF(help), take, repeatable,                  \
            offsetof(type, member) + 0 * sizeof(&((type *)0)->member == (kind *)0)                           \
    }
#define OPTION_DURATION(type, member, name, default_text, help)                                              \
    OPTION_OF(type, member, int64_t, name, "DURATION", default_text, help, option_take_duration, false)
#define OPTION_FLAG(type, member, name, help)                                                                \
    OPTION_OF(type, member, bool, name, "", "", help, option_take_flag, false)
#define OPTION_PATH(type, member, name, value_name, default_text, help)                                      \
    OPTION_OF(type, member, option_path, name, value_name, default_text, help, option_take_path, false)

typedef char option_path[OPTIONS_VALUE_MAX];

/* A name from before: see option_part. */
#define OPTION_OLD(type, member, kind, name, value_name, take)                                               \
    {                                                                                                        \
        name "\0" value_name "\0\0", take, false,                                                            \
            offsetof(type, member) + 0 * sizeof(&((type *)0)->member == (kind *)0)                           \
    }
#define COMMAND(name, about, takes)                                                                          \
    { name, OPTION_HELP_OF(about), takes }

/* A program's table may redefine this as OPTIONS_PACKED: then these texts are not in it but what `unpack`
 * of struct options returns (packed.h): one for each row, each command, about, and epilogue. */
#define OPTION_HELP_OF(help) help
#define OPTIONS_PACKED "\1"

/* Which of the texts of a row. An old name of an option has no help: it is taken on the command line, and
 * neither shown nor taken as a variable. */
enum option_text_part { OPTION_NAME, OPTION_VALUE_NAME, OPTION_DEFAULT, OPTION_HELP };
static inline const char *option_part(const struct option_spec *spec, enum option_text_part part) {
    const char *at = spec->name;
    for (unsigned i = 0; i < (unsigned)part; i++)
        at += strlen(at) + 1;
    return at;
}

/* Not an option: the head of those that follow, up to the next head, in --help and in the documentation. */
#define OPTION_GROUP(title)                                                                                  \
    { title "\0\0\0", NULL, false, 0 }
static inline bool option_is_group(const struct option_spec *spec) {
    return spec->take == NULL;
}

struct option_command {
    const char *name;
    const char *about;
    const char *takes; /* names of the options that mean something to it, with blanks between; behind a "!" at
                          the start those that do not; NULL: all */
};

struct options {
    const char *program;                   /* "pod-identity-init" */
    const char *synopsis;                  /* what follows "Usage: PROGRAM " */
    const char *about;                     /* a paragraph */
    const char *epilogue;                  /* a paragraph at the end of --help, or NULL */
    const struct option_spec *specs;       /* ends with a spec whose name is NULL */
    const struct option_command *commands; /* ends with one whose name is NULL; NULL: there are none */
    const char *(*unpack)(void);           /* the packed texts, see OPTIONS_PACKED; NULL: there are none */
};

enum options_result { OPTIONS_OK, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_USAGE };

/* Reads the environment first, then argv (argc and argv as main() got them, argv[0] skipped), and calls
 * `take` on its place in config. Words that are no options are put into operands (at most operand_max; more
 * is a usage error). On OPTIONS_USAGE problem holds one line that names option, value and reason. --help, -h,
 * --version and -V end the reading at once, and so do help and version as the first word. */
enum options_result options_read(const struct options *options, int argc, char **argv, void *config,
                                 const char **operands, size_t operand_max, size_t *operand_count,
                                 struct buf *problem);

/* Puts the value into *place by the row's `take`, after what is wrong with it whatever it is for (setting.h):
 * a path with such a flaw is refused, and of another value that is refused it is the reason. */
bool option_apply(const struct option_spec *spec, void *place, const char *value, struct buf *problem);

/* Whether an option is on the command line. */
bool options_given(int argc, char **argv, const char *name);

/* Whether an option of that name means something to the command. */
bool option_is_of(const struct option_command *command, const char *name);

/* For each Service of a namespace the kubelet sets variables in all pods: of one whose name begins with
 * pod-identity they look like ours. Whether this is one of those; len is the name's. */
bool options_of_service(const char *name, size_t len, const char *value);

/* Calls tell for each variable POD_IDENTITY_… that is no option of any of the programs (nor made by
 * Kubernetes for a Service): its name, and that of the one that was meant, or "". */
typedef void options_tell(void *context, const char *variable, const char *meant);
void options_unknown(const struct options *options, options_tell *tell, void *context);

/* The options of all programs, and a variable that is none: containers of a pod may share their variables. */
#define OPTIONS_OF_ALL                                                                                       \
    " "                                                                                                      \
    "allow-uid assume-role ca-bundle cache cluster cluster-name config credentials-file expect-account "     \
    "expect-namespace expect-role expect-service-account expired external-id file-mode "                     \
    "file-profile format host host-network http http-token http-token-file imds install install-sh json "    \
    "linger list-checks log-format log-level metrics min-ttl name node-credentials "                         \
    "notify-pid-file notify-signal pod-labels port process-file region role-session-name "                   \
    "sandbox self-injected serverless session-duration session-policy-file session-tag socket-group "        \
    "socket-mode source source-identity strict termination-log transitive-tag-key "                          \
    "try-other-family unix-socket user verify wait "

/* Ready-made values. Each writes a problem and returns false if the text does not fit. */
bool option_duration(const char *value, int64_t *ms, struct buf *problem);
bool option_flag(const char *value, bool *out, struct buf *problem);
/* Copies, refusing an empty or over-long text and control characters. cap counts the NUL. */
bool option_text(const char *value, char *out, size_t cap, struct buf *problem);
/* Of these types: int64_t (milliseconds), bool, option_path. */
option_take option_take_duration, option_take_flag, option_take_path;
/* Index into names (which ends with NULL); the problem lists them all. */
bool option_choice(const char *value, const char *const *names, size_t *index, struct buf *problem);

#endif
