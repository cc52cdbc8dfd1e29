#include "common/base/options.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/timefmt.h"

#define ENVIRONMENT_PREFIX "POD_IDENTITY_"
#define ENVIRONMENT_NAME_MAX 64
#define VALUE_SHOWN 100

/* The texts behind the name: see OPTION(). */
enum { VALUE_NAME = 1, DEFAULT_TEXT, HELP_TEXT };
static const char *part(const struct option_spec *spec, int number) {
    const char *at = spec->name;
    for (int i = 0; i < number; i++)
        at += strlen(at) + 1;
    return at;
}

static void environment_name(const struct option_spec *spec, char out[ENVIRONMENT_NAME_MAX]) {
    struct buf b = buf_over(out, ENVIRONMENT_NAME_MAX);
    buf_str(&b, ENVIRONMENT_PREFIX);
    for (const char *p = spec->name; *p != '\0'; p++)
        buf_char(&b, (char)(*p == '-' ? '_' : *p - 32 * (*p >= 'a' && *p <= 'z')));
}

static bool apply(const struct option_spec *spec, const char *shown_name, void *config, const char *value,
                  struct buf *problem) {
    char reason_text[OPTIONS_PROBLEM_MAX / 2];
    struct buf reason = BUF(reason_text);
    if (strnlen(value, OPTIONS_VALUE_MAX) >= OPTIONS_VALUE_MAX)
        buf_str(&reason, "longer than 4095 bytes");
    else if (spec->take((char *)config + spec->at, value, &reason))
        return true;
    buf_fmt(problem, "%s=", shown_name);
    buf_printable(problem, value, strnlen(value, VALUE_SHOWN + 1), VALUE_SHOWN);
    buf_fmt(problem, ": %s", reason.data);
    return false;
}

/* A repeatable option takes each word of its variable. */
static bool apply_words(const struct option_spec *spec, const char *name, void *config, const char *value,
                        struct buf *problem) {
    char word_text[OPTIONS_VALUE_MAX];
    for (const char *at = value + strspn(value, " "); *at != '\0'; at += strspn(at, " ")) {
        struct buf word = BUF(word_text);
        size_t len = strcspn(at, " ");
        buf_put(&word, at, len);
        if (word.overflow) {
            buf_fmt(problem, "%s: a value longer than 4095 bytes", name);
            return false;
        }
        if (!apply(spec, name, config, word.data, problem))
            return false;
        at += len;
    }
    return true;
}

static bool on_command_line(const struct option_spec *spec, int argc, char **argv) {
    size_t len = strlen(spec->name);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--", 2) == 0 && strncmp(argv[i] + 2, spec->name, len) == 0 &&
            (argv[i][2 + len] == '\0' || argv[i][2 + len] == '='))
            return true;
    }
    return false;
}

/* Variables whose option is on the command line are not looked at: the option replaces all of their values.
 */
static bool read_environment(const struct options *o, int argc, char **argv, void *config,
                             struct buf *problem) {
    for (const struct option_spec *spec = o->specs; spec->name != NULL; spec++) {
        char name[ENVIRONMENT_NAME_MAX];
        if (on_command_line(spec, argc, argv))
            continue;
        environment_name(spec, name);
        const char *value = getenv(name);
        if (value == NULL || *value == '\0')
            continue;
        bool taken = spec->repeatable ? apply_words(spec, name, config, value, problem)
                                      : apply(spec, name, config, value, problem);
        if (!taken)
            return false;
    }
    return true;
}

static const struct option_spec *find(const struct options *o, const char *name, size_t len) {
    for (const struct option_spec *spec = o->specs; spec->name != NULL; spec++) {
        if (strlen(spec->name) == len && memcmp(spec->name, name, len) == 0)
            return spec;
    }
    return NULL;
}

/* One option of the command line; *next is the word behind it, and is set to NULL if it was used as the
 * value. */
static bool read_option(const struct options *o, const char *word, const char **next, void *config,
                        struct buf *problem) {
    size_t len = strcspn(word + 2, "=");
    const char *value = word[2 + len] == '=' ? word + 2 + len + 1 : NULL;
    const struct option_spec *spec = find(o, word + 2, len);
    char shown[ENVIRONMENT_NAME_MAX];
    struct buf name = BUF(shown);
    buf_str(&name, "--");
    buf_printable(&name, word + 2, len, 40);
    if (spec == NULL) {
        buf_fmt(problem, "unknown option %s; see --help", shown);
        return false;
    }
    if (*part(spec, VALUE_NAME) == '\0')
        return apply(spec, shown, config, value != NULL ? value : "true", problem);
    if (value == NULL) {
        if (*next == NULL) {
            buf_fmt(problem, "%s needs a value: %s", shown, part(spec, VALUE_NAME));
            return false;
        }
        value = *next;
        *next = NULL;
    }
    return apply(spec, shown, config, value, problem);
}

enum options_result options_read(const struct options *options, int argc, char **argv, void *config,
                                 const char **operands, size_t operand_max, size_t *operand_count,
                                 struct buf *problem) {
    *operand_count = 0;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return OPTIONS_HELP;
        if (strcmp(argv[i], "--version") == 0)
            return OPTIONS_VERSION;
    }
    if (!read_environment(options, argc, argv, config, problem))
        return OPTIONS_USAGE;
    bool only_operands = false;
    for (int i = 1; i < argc; i++) {
        if (!only_operands && strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else if (!only_operands && strncmp(argv[i], "--", 2) == 0) {
            const char *next = i + 1 < argc ? argv[i + 1] : NULL;
            bool had_next = next != NULL;
            if (!read_option(options, argv[i], &next, config, problem))
                return OPTIONS_USAGE;
            if (had_next && next == NULL)
                i++;
        } else if (*operand_count == operand_max || (!only_operands && argv[i][0] == '-')) {
            buf_str(problem, "unexpected word ");
            buf_printable(problem, argv[i], strnlen(argv[i], VALUE_SHOWN + 1), VALUE_SHOWN);
            return OPTIONS_USAGE;
        } else {
            operands[(*operand_count)++] = argv[i];
        }
    }
    return OPTIONS_OK;
}

#define HELP_COLUMN 34
#define HELP_WIDTH 110

static void put_wrapped(struct buf *out, const char *text, size_t column, size_t at) {
    for (bool first = true; *text != '\0'; first = false) {
        size_t len = strcspn(text, " ");
        if (!first && at + 1 + len > HELP_WIDTH) {
            buf_char(out, '\n');
            for (at = 0; at < column; at++)
                buf_char(out, ' ');
        } else if (!first) {
            buf_char(out, ' ');
            at++;
        }
        buf_put(out, text, len);
        at += len;
        text += len + (text[len] == ' ' ? 1 : 0);
    }
    buf_char(out, '\n');
}

static void put_option(struct buf *out, const struct option_spec *spec) {
    const char *value_name = part(spec, VALUE_NAME), *default_text = part(spec, DEFAULT_TEXT);
    size_t start = out->len;
    buf_fmt(out, "  --%s", spec->name);
    if (*value_name != '\0')
        buf_fmt(out, "=%s", value_name);
    if (out->len - start > HELP_COLUMN - 2) {
        buf_char(out, '\n');
        start = out->len;
    }
    while (out->len - start < HELP_COLUMN && !out->overflow)
        buf_char(out, ' ');
    char text[1024];
    struct buf line = BUF(text);
    buf_str(&line, part(spec, HELP_TEXT));
    if (*default_text != '\0')
        buf_fmt(&line, " [%s]", default_text);
    put_wrapped(out, line.data, HELP_COLUMN, HELP_COLUMN);
}

void options_help(const struct options *options, struct buf *out) {
    buf_fmt(out, "Usage: %s %s\n\n", options->program, options->synopsis);
    put_wrapped(out, options->about, 0, 0);
    buf_str(out, "\nOptions [default]:\n");
    for (const struct option_spec *spec = options->specs; spec->name != NULL; spec++)
        put_option(out, spec);
    static const struct option_spec help[] = {
        OPTION("help", "", "", "print this and exit", NULL, false),
        OPTION("version", "", "", "print the versions of this program and its libraries and exit", NULL,
               false)};
    put_option(out, &help[0]);
    put_option(out, &help[1]);
    buf_str(out, "\nEvery option can also be given in the environment: --some-name as "
                 "POD_IDENTITY_SOME_NAME; the option wins.\n"
                 "Durations: 500ms, 5s, 2m, 1h.\n");
    if (options->epilogue != NULL) {
        buf_char(out, '\n');
        buf_str(out, options->epilogue);
    }
}

bool option_duration(const char *value, int64_t *ms, struct buf *problem) {
    int64_t parsed;
    enum err e = time_parse_duration(value, &parsed);
    if (e == ERR_OK) {
        *ms = parsed;
        return true;
    }
    buf_str(problem, e == ERR_MISSING ? "a unit is missing, as in 500ms, 5s, 2m, 1h"
                     : e == ERR_RANGE ? "more than 10000h"
                                      : "no duration, as in 500ms, 5s, 2m, 1h");
    return false;
}

bool option_flag(const char *value, bool *out, struct buf *problem) {
    static const char *const yes[] = {"true", "1", "on"}, *const no[] = {"false", "0", "off"};
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
            *out = strcmp(value, yes[i]) == 0;
            return true;
        }
    }
    buf_str(problem, "neither true nor false");
    return false;
}

bool option_text(const char *value, char *out, size_t cap, struct buf *problem) {
    size_t len = strlen(value);
    if (len == 0) {
        buf_str(problem, "empty");
        return false;
    }
    if (len >= cap) {
        buf_fmt(problem, "longer than %zu bytes", cap - 1);
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)value[i] < ' ' || value[i] == 0x7F) {
            buf_fmt(problem, "holds a control character (0x%02x)", (unsigned)(unsigned char)value[i]);
            return false;
        }
    }
    memcpy(out, value, len + 1);
    return true;
}

bool option_choice(const char *value, const char *const *names, size_t *index, struct buf *problem) {
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcmp(value, names[i]) == 0) {
            *index = i;
            return true;
        }
    }
    buf_str(problem, "not one of");
    for (size_t i = 0; names[i] != NULL; i++)
        buf_fmt(problem, "%s %s", i > 0 ? "," : "", names[i]);
    return false;
}

bool option_take_duration(void *place, const char *value, struct buf *problem) {
    return option_duration(value, place, problem);
}

bool option_take_flag(void *place, const char *value, struct buf *problem) {
    return option_flag(value, place, problem);
}

bool option_take_path(void *place, const char *value, struct buf *problem) {
    return option_text(value, place, OPTIONS_VALUE_MAX, problem);
}
