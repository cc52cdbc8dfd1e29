#include "agent/flags.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/flags_help.h"
#include "agent/flags_table.h"
#include "agent/go_runner.h"
#include "agent/go_values.h"
#include "common/base/nearest.h"

#define PREFIX "POD_IDENTITY_AGENT_"
#define VALUE_SHOWN 100
#define VARIABLE_MAX 80

extern char **environ;

static const char *const commands[] = {[COMMAND_SERVER] = "server",
                                       [COMMAND_INITIALIZE] = "initialize",
                                       [COMMAND_PROBE] = "probe",
                                       [COMMAND_VERSION] = "version",
                                       NULL};

/* What is read, word by word. */
struct reading {
    struct settings *out;
    struct buf *problem;
    const char *const *words; /* ends with NULL */
    const char *command, *stray;
    const struct option_spec
        *flag_before; /* a boolean that stood alone: the word behind it may be meant for it */
    const struct option_spec *not_off; /* one that was followed by "false" */
    bool help, version;
};

static bool is_bool(const struct option_spec *spec) {
    return *option_part(spec, OPTION_VALUE_NAME) == '\0';
}

static const struct option_spec *find(const char *name, size_t len) {
    for (const struct option_spec *spec = flags_table; spec->name != NULL; spec++) {
        if (!option_is_group(spec) && strlen(spec->name) == len && memcmp(spec->name, name, len) == 0)
            return spec;
    }
    return NULL;
}

static const char *nearest_flag(const char *name, size_t len) {
    struct nearest n = {NULL, 0};
    for (const struct option_spec *spec = flags_table; spec->name != NULL; spec++) {
        if (!option_is_group(spec))
            nearest_try(&n, name, len, spec->name);
    }
    return n.best;
}

/* ---- values ---- */

static bool apply(struct settings *out, const struct option_spec *spec, const char *shown, const char *value,
                  struct buf *problem) {
    char text[FLAGS_PROBLEM_MAX / 2];
    struct buf reason = BUF(text);
    if (strnlen(value, OPTIONS_VALUE_MAX) >= OPTIONS_VALUE_MAX)
        buf_str(&reason, "longer than 4095 bytes");
    else if (spec->take((char *)out + spec->at, value, &reason))
        return true;
    buf_fmt(problem, "%s=", shown);
    if (strstr(value, "://") != NULL) {
        uri_show(value, problem); /* it may hold a password */
    } else {
        buf_printable(problem, value, strnlen(value, VALUE_SHOWN + 1), VALUE_SHOWN);
    }
    buf_fmt(problem, ": %s", reason.data);
    return false;
}

/* ---- the environment ---- */

static void variable_of(const struct option_spec *spec, char out[VARIABLE_MAX]) {
    struct buf b = buf_over(out, VARIABLE_MAX);
    buf_str(&b, PREFIX);
    for (const char *p = spec->name; *p != '\0'; p++)
        buf_char(&b, (char)(*p == '-' ? '_' : *p - 32 * (*p >= 'a' && *p <= 'z')));
}

/* A copy of one of several values. */
static const char *keep(struct settings *s, const char *value, size_t len, struct buf *problem) {
    char *copy = s->text + s->text_used;
    if (len >= sizeof s->text - s->text_used) {
        buf_fmt(problem, "more than %d bytes of values", FLAGS_TEXT_MAX);
        return NULL;
    }
    memcpy(copy, value, len);
    copy[len] = '\0';
    s->text_used += len + 1;
    return copy;
}

/* A repeatable flag takes each word of its variable. */
static bool apply_words(struct settings *s, const struct option_spec *spec, const char *shown,
                        const char *value, struct buf *problem) {
    for (const char *at = value + strspn(value, " "); *at != '\0'; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        const char *word = keep(s, at, len, problem);
        if (word == NULL || !apply(s, spec, shown, word, problem))
            return false;
        at += len;
    }
    return true;
}

/* Whether the command line has it: then it takes the place of all that its variable says. */
static bool given(const struct reading *r, const struct option_spec *spec) {
    char letter = flags_letter(spec);
    for (const char *const *word = r->words; *word != NULL && strcmp(*word, "--") != 0; word++) {
        if (strncmp(*word, "--", 2) == 0 && find(*word + 2, strcspn(*word + 2, "=")) == spec)
            return true;
        if (letter != '\0' && (*word)[0] == '-' && (*word)[1] == letter)
            return true;
    }
    return false;
}

static bool read_environment(struct reading *r) {
    for (const struct option_spec *spec = flags_table; spec->name != NULL; spec++) {
        char name[VARIABLE_MAX];
        if (option_is_group(spec) || given(r, spec))
            continue;
        variable_of(spec, name);
        const char *value = getenv(name);
        if (value == NULL || *value == '\0' || options_of_service(name, strlen(name), value))
            continue;
        bool taken = spec->repeatable ? apply_words(r->out, spec, name, value, r->problem)
                                      : apply(r->out, spec, name, value, r->problem);
        if (!taken)
            return false;
    }
    return true;
}

/* ---- the command line ---- */

static bool unknown(struct reading *r, const char *word) {
    size_t len = strcspn(word, "=");
    const char *name = word + strspn(word, "-"), *meant = nearest_flag(name, strcspn(name, "="));
    buf_str(r->problem, word[1] == '-' ? "unknown flag: " : "unknown shorthand flag: ");
    buf_printable(r->problem, word, len, 60);
    if (meant != NULL)
        buf_fmt(r->problem, "; did you mean --%s?", meant);
    return false;
}

/* The value of a flag whose word ends without one: the next word, whatever it is. */
static const char *next_word(struct reading *r, const struct option_spec *spec, const char *shown) {
    const char *value = r->words[1];
    size_t name = value != NULL && strncmp(value, "--", 2) == 0 ? strcspn(value + 2, "=") : 0;
    if (value == NULL || (name > 0 && find(value + 2, name) != NULL)) {
        buf_fmt(r->problem, "flag needs an argument: %s=%s", shown, option_part(spec, OPTION_VALUE_NAME));
        return NULL;
    }
    r->words++;
    return value;
}

static bool read_long(struct reading *r, const char *word) {
    size_t len = strcspn(word + 2, "=");
    const char *value = word[2 + len] == '=' ? word + 2 + len + 1 : NULL;
    const struct option_spec *spec = find(word + 2, len);
    char shown[VARIABLE_MAX];
    struct buf name = BUF(shown);
    if (spec == NULL)
        return unknown(r, word);
    buf_fmt(&name, "--%s", spec->name);
    if (is_bool(spec)) {
        r->flag_before = value == NULL ? spec : NULL;
        value = value != NULL ? value : "true";
    } else if (value == NULL) {
        value = next_word(r, spec, shown);
    }
    return value != NULL && apply(r->out, spec, shown, value, r->problem);
}

/* -p 80, -p80, -p=80. */
static bool read_short(struct reading *r, const char *word) {
    const struct option_spec *spec = flags_of_letter(word[1]);
    char shown[VARIABLE_MAX];
    struct buf name = BUF(shown);
    if (spec == NULL)
        return unknown(r, word);
    buf_fmt(&name, "-%c, --%s", word[1], spec->name);
    const char *value = word[2] == '\0'                     ? next_word(r, spec, shown)
                        : word[2] == '=' && word[3] != '\0' ? word + 3
                                                            : word + 2;
    return value != NULL && apply(r->out, spec, shown, value, r->problem);
}

/* The first word is the command. Another one behind it is read by nobody, as in the real agent: the chart
 * writes `--rotate-credentials true`. */
static bool read_word(struct reading *r, const char *word, const struct option_spec *flag_before) {
    bool value;
    char text[64];
    struct buf unsaid = BUF(text);
    if (flag_before != NULL && go_bool(word, &value, &unsaid)) {
        if (!value)
            r->not_off = flag_before;
        return true;
    }
    if (r->command == NULL)
        r->command = word;
    else if (r->stray == NULL)
        r->stray = word;
    return true;
}

static bool read_words(struct reading *r) {
    bool only_words = false;
    for (; *r->words != NULL; r->words++) {
        const char *word = *r->words;
        const struct option_spec *flag_before = r->flag_before;
        r->flag_before = NULL;
        if (only_words || word[0] != '-' || word[1] == '\0')
            (void)read_word(r, word, flag_before);
        else if (strcmp(word, "--") == 0)
            only_words = true;
        else if (word[1] == '-' ? !read_long(r, word) : !read_short(r, word))
            return false;
    }
    return true;
}

/* What is answered whatever else is wrong. No word at all: help, as there. */
static void look_ahead(struct reading *r) {
    const char *const *word = r->words;
    r->help = *word == NULL || strcmp(*word, "help") == 0;
    r->version = *word != NULL && strcmp(*word, commands[COMMAND_VERSION]) == 0;
    for (; *word != NULL && strcmp(*word, "--") != 0; word++) {
        r->help = r->help || strcmp(*word, "--help") == 0 || strcmp(*word, "-h") == 0;
        r->version = r->version || strcmp(*word, "--version") == 0 || strcmp(*word, "-V") == 0;
    }
}

static bool take_command(struct reading *r) {
    size_t index = COMMAND_VERSION;
    if (r->command == NULL && !r->version) {
        buf_str(r->problem, "a command is missing: server, initialize, probe or version");
        return false;
    }
    if (!r->version) {
        struct nearest n = {NULL, 0};
        for (index = 0; commands[index] != NULL && strcmp(commands[index], r->command) != 0; index++)
            nearest_try(&n, r->command, strlen(r->command), commands[index]);
        if (commands[index] == NULL) {
            buf_str(r->problem, "unknown command \"");
            buf_printable(r->problem, r->command, strnlen(r->command, 61), 60);
            buf_fmt(r->problem,
                    n.best != NULL ? "\"; did you mean %s?" : "\": server, initialize, probe or version",
                    n.best);
            return false;
        }
    }
    r->out->command = (enum flags_command)index;
    return true;
}

/* ---- all of it ---- */

static void tell_unknown_variables(void) {
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        const char *equals = strchr(*entry, '=');
        char name[VARIABLE_MAX] = "", shown[VARIABLE_MAX], meant[VARIABLE_MAX] = "";
        struct buf option = BUF(name), variable = BUF(shown);
        if (equals == NULL || equals[1] == '\0' || strncmp(*entry, PREFIX, sizeof PREFIX - 1) != 0 ||
            options_of_service(*entry, (size_t)(equals - *entry), equals + 1))
            continue;
        for (const char *p = *entry + sizeof PREFIX - 1; p < equals && option.len < 60; p++)
            buf_char(&option, (char)(*p == '_' ? '-' : *p >= 'A' && *p <= 'Z' ? *p + 32 : '?'));
        if (find(name, option.len) != NULL)
            continue;
        const char *best = nearest_flag(name, option.len);
        if (best != NULL)
            variable_of(find(best, strlen(best)), meant);
        buf_printable(&variable, *entry, (size_t)(equals - *entry), sizeof shown - 8);
        LOG(LOG_WARN, "unknown variable", LOG_TEXT("variable", shown), LOG_TEXT("meant", meant));
    }
}

/* What was taken, and does nothing. */
static void tell_odd(const struct reading *r, bool log_file) {
    if (r->stray != NULL)
        LOG(LOG_WARN, "a word of the command line is ignored", LOG_TEXT("word", r->stray));
    if (r->not_off != NULL) /* on, there as here */
        LOG(LOG_WARN, "the word false behind a flag is ignored, and the flag is on: --NAME=false is off",
            LOG_TEXT("flag", r->not_off->name));
    if (log_file)
        LOG(LOG_WARN, "a flag of go-runner is ignored: the log goes to standard error",
            LOG_TEXT("flag", "--log-file"));
    if (r->out->cache_size > FLAGS_CACHE_SIZE_MAX)
        LOG(LOG_WARN, "--max-cache-size is more than the most that is kept",
            LOG_NUMBER("given", (int64_t)r->out->cache_size), LOG_NUMBER("used", FLAGS_CACHE_SIZE_MAX));
    tell_unknown_variables();
}

enum flags_result flags_read(int argc, char **argv, struct settings *out, struct buf *problem,
                             struct buf *help) {
    static const char *const none[] = {NULL};
    struct reading r = {.out = out, .problem = problem, .words = none};
    bool log_file = false;
    flags_defaults(out);
    if (argc > 0)
        r.words = (const char *const *)argv + 1;
    if (argc > 0 && go_runner_is(argv[0]))
        r.words = go_runner_behind(r.words, &log_file, problem);
    if (r.words != NULL)
        look_ahead(&r);
    bool read = r.words != NULL && !r.help && (r.version || (read_environment(&r) && read_words(&r)));
    if (r.help) {
        flags_help(help);
        return FLAGS_HELP;
    }
    if (!read || !take_command(&r) || !flags_judge(out, problem)) {
        flags_usage(r.command, help);
        return FLAGS_USAGE;
    }
    log_setup(out->log_level, out->log_format, 2);
    tell_odd(&r, log_file);
    if (out->cache_size > FLAGS_CACHE_SIZE_MAX)
        out->cache_size = FLAGS_CACHE_SIZE_MAX;
    return FLAGS_RUN;
}
