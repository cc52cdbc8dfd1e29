#include "common/base/options.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/nearest.h"
#include "common/base/setting.h"
#include "common/base/timefmt.h"

#define ENVIRONMENT_PREFIX "POD_IDENTITY_"
#define ENVIRONMENT_NAME_MAX 64
#define VALUE_SHOWN 100

extern char **environ;

static void environment_name(const struct option_spec *spec, char out[ENVIRONMENT_NAME_MAX]) {
    struct buf b = buf_over(out, ENVIRONMENT_NAME_MAX);
    buf_str(&b, ENVIRONMENT_PREFIX);
    for (const char *p = spec->name; *p != '\0'; p++)
        buf_char(&b, (char)(*p == '-' ? '_' : *p - 32 * (*p >= 'a' && *p <= 'z')));
}

bool option_apply(const struct option_spec *spec, void *place, const char *value, struct buf *problem) {
    const char *kind = option_part(spec, OPTION_VALUE_NAME), *flaw = setting_flaw(value);
    bool path = strcmp(kind, "PATH") == 0 || strcmp(kind, "FILE") == 0 || strcmp(kind, "DIRECTORY") == 0;
    if (!(path && flaw != NULL) && spec->take(place, value, problem))
        return true;
    if (flaw != NULL) {
        buf_reset(problem);
        buf_str(problem, flaw);
    }
    return false;
}

static bool apply(const struct option_spec *spec, const char *shown_name, void *config, const char *value,
                  struct buf *problem) {
    char reason_text[OPTIONS_PROBLEM_MAX / 2];
    struct buf reason = BUF(reason_text);
    if (strnlen(value, OPTIONS_VALUE_MAX) >= OPTIONS_VALUE_MAX)
        buf_str(&reason, "longer than 4095 bytes");
    else if (option_apply(spec, (char *)config + spec->at, value, &reason))
        return true;
    buf_fmt(problem, "%s=", shown_name);
    if (setting_flaw(value) != NULL)
        setting_quote(problem, value);
    else
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

bool options_given(int argc, char **argv, const char *name) {
    size_t len = strlen(name);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--", 2) == 0 && strncmp(argv[i] + 2, name, len) == 0 &&
            (argv[i][2 + len] == '\0' || argv[i][2 + len] == '='))
            return true;
    }
    return false;
}

bool options_of_service(const char *name, size_t len, const char *value) {
    static const char host[] = "_SERVICE_HOST", port[] = "_PORT";
    if (memmem(name, len, "_SERVICE_PORT", 13) != NULL || memmem(name, len, "_PORT_", 6) != NULL)
        return true;
    if (len >= sizeof host - 1 && memcmp(name + len - sizeof host + 1, host, sizeof host - 1) == 0)
        return true;
    return len >= sizeof port - 1 && memcmp(name + len - sizeof port + 1, port, sizeof port - 1) == 0 &&
           strstr(value, "://") != NULL;
}

bool option_is_of(const struct option_command *command, const char *name) {
    const char *list = command->takes;
    size_t len = strlen(name);
    if (list == NULL)
        return true;
    bool others = *list == '!';
    for (const char *at = list + others; *at != '\0'; at += strspn(at, " ")) {
        size_t here = strcspn(at, " ");
        if (here == len && memcmp(at, name, len) == 0)
            return !others;
        at += here;
    }
    return others;
}

/* An old name of an option is one on the command line only. */
static bool is_old(const struct option_spec *spec) {
    return *option_part(spec, OPTION_HELP) == '\0';
}

/* Variables whose option is on the command line are not looked at: the option replaces all of their values.
 */
static bool read_environment(const struct options *o, int argc, char **argv, void *config,
                             struct buf *problem) {
    for (const struct option_spec *spec = o->specs; spec->name != NULL; spec++) {
        char name[ENVIRONMENT_NAME_MAX];
        if (is_old(spec) || options_given(argc, argv, spec->name))
            continue;
        environment_name(spec, name);
        const char *value = getenv(name);
        if (value == NULL || *value == '\0' || options_of_service(name, strlen(name), value))
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
        if (!option_is_group(spec) && strlen(spec->name) == len && memcmp(spec->name, name, len) == 0)
            return spec;
    }
    return NULL;
}

/* Of whichever program. */
static bool listed(const char *list, const char *name, size_t len) {
    for (const char *at = list; len > 0 && (at = memmem(at, strlen(at), name, len)) != NULL; at++) {
        if (at > list && at[-1] == ' ' && at[len] == ' ')
            return true;
    }
    return false;
}

/* The option that took the place of an old name: it fills in the same. */
static const char *new_name(const struct options *o, const struct option_spec *old) {
    for (const struct option_spec *spec = o->specs; spec->name != NULL; spec++) {
        if (!is_old(spec) && spec->take == old->take && spec->at == old->at)
            return spec->name;
    }
    return NULL;
}

/* Near an old name counts, too, and means the new one. */
static const char *nearest_option(const struct options *o, const char *name, size_t len) {
    struct nearest n = {NULL, 0};
    const char *meant = NULL;
    for (const struct option_spec *spec = o->specs; spec->name != NULL; spec++) {
        const char *before = n.best;
        if (!option_is_group(spec))
            nearest_try(&n, name, len, spec->name);
        if (n.best != before)
            meant = is_old(spec) ? new_name(o, spec) : spec->name;
    }
    return meant;
}

/* An item of a YAML list that holds more than one word: the commonest mistake. */
static bool several_in_one(const struct options *o, const char *word, struct buf *problem) {
    size_t name = strcspn(word + 2, "= ");
    if (find(o, word + 2, name) == NULL)
        return false;
    const char *blank = word[2 + name] == ' ' ? word + 2 + name : strstr(word, " --");
    bool value = blank != NULL && word[2 + name] == ' ' && strncmp(blank, " --", 3) != 0;
    if (blank == NULL || (!value && find(o, blank + 3, strcspn(blank + 3, "= ")) == NULL))
        return false;
    buf_char(problem, '"');
    buf_printable(problem, word, strnlen(word, VALUE_SHOWN + 1), VALUE_SHOWN);
    buf_str(problem,
            value ? "\" is one word: put = between option and value, or make them two items of the list"
                  : "\" is one word with two options in it: in YAML, each is an item of its own");
    return true;
}

/* The value of a flag, as a word of its own behind it: the flag. */
static const struct option_spec *flag_ahead(const struct options *o, const char *word, const char *before) {
    bool ignored;
    char text[64];
    struct buf unsaid = BUF(text);
    const struct option_spec *flag =
        before != NULL && strncmp(before, "--", 2) == 0 ? find(o, before + 2, strlen(before + 2)) : NULL;
    bool is_flag = flag != NULL && *option_part(flag, OPTION_VALUE_NAME) == '\0';
    return is_flag && option_flag(word, &ignored, &unsaid) ? flag : NULL;
}

/* A word that is no option, and cannot be an operand either. */
static void refuse_word(const struct options *o, const char *word, const struct option_spec *flag,
                        struct buf *problem) {
    buf_str(problem, "unexpected word ");
    buf_printable(problem, word, strnlen(word, VALUE_SHOWN + 1), VALUE_SHOWN);
    if (flag != NULL) {
        buf_fmt(problem, "; a flag takes its value behind =, as in --%s=%s", flag->name, word);
    } else if (strcmp(word, "-v") == 0) {
        buf_str(problem, "; did you mean --version?");
    } else if (word[0] == '-' && word[1] != '\0') {
        const struct option_spec *meant = find(o, word + 1, strcspn(word + 1, "="));
        buf_str(problem, "; options begin with two dashes");
        if (meant != NULL)
            buf_fmt(problem, ": --%s", meant->name);
    }
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
        const char *meant = nearest_option(o, word + 2, len);
        buf_fmt(problem, "unknown option %s; ", shown);
        if (len > 0 && listed(OPTIONS_OF_ALL, word + 2, len)) {
            if (strcmp(shown, "--http-token") == 0) /* a secret must not stand in argv */
                buf_str(problem, "it can be set by the variable POD_IDENTITY_HTTP_TOKEN only");
            else
                buf_str(problem, "it is an option of another program of the toolkit");
            return false;
        }
        buf_fmt(problem, meant != NULL ? "did you mean --%s?" : "see --help", meant);
        return false;
    }
    if (*option_part(spec, OPTION_VALUE_NAME) == '\0')
        return apply(spec, shown, config, value != NULL ? value : "true", problem);
    if (value == NULL) {
        bool another = *next != NULL && strncmp(*next, "--", 2) == 0 &&
                       find(o, *next + 2, strcspn(*next + 2, "=")) != NULL;
        if (*next == NULL || another) {
            const char *usual = option_part(spec, OPTION_DEFAULT);
            buf_fmt(problem, "%s needs a value: %s", shown, option_part(spec, OPTION_VALUE_NAME));
            if (*usual != '\0' && strchr(usual, ' ') == NULL && strcmp(usual, "off") != 0)
                buf_fmt(problem, ", as in %s=%s", shown, usual);
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
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 ||
            (i == 1 && strcmp(argv[i], "help") == 0))
            return OPTIONS_HELP;
        if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0 ||
            (i == 1 && strcmp(argv[i], "version") == 0))
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
            if (several_in_one(options, argv[i], problem) ||
                !read_option(options, argv[i], &next, config, problem))
                return OPTIONS_USAGE;
            if (had_next && next == NULL)
                i++;
        } else {
            const struct option_spec *flag =
                only_operands ? NULL : flag_ahead(options, argv[i], i > 1 ? argv[i - 1] : NULL);
            if (flag != NULL || *operand_count == operand_max || (!only_operands && argv[i][0] == '-')) {
                refuse_word(options, argv[i], flag, problem);
                return OPTIONS_USAGE;
            }
            operands[(*operand_count)++] = argv[i];
        }
    }
    return OPTIONS_OK;
}

/* The name as the option would have it; false for what is none of ours, or not for us to judge. */
static bool option_of_variable(const char *entry, char out[ENVIRONMENT_NAME_MAX]) {
    static const char prefix[] = ENVIRONMENT_PREFIX;
    const char *equals = strchr(entry, '=');
    size_t skipped = sizeof prefix - 1, len;
    if (equals == NULL || equals[1] == '\0' || strncmp(entry, prefix, skipped) != 0 ||
        options_of_service(entry, (size_t)(equals - entry), equals + 1))
        return false;
    len = (size_t)(equals - entry) - skipped;
    len = len < ENVIRONMENT_NAME_MAX ? len : ENVIRONMENT_NAME_MAX - 1;
    for (size_t i = 0; i < len; i++) {
        char c = entry[skipped + i];
        out[i] = (char)(c == '_' ? '-' : c >= 'A' && c <= 'Z' ? c + 32 : '?');
    }
    out[len] = '\0';
    return true;
}

/* The variable that was meant, of whichever program. */
static void put_meant(const struct options *o, const char *name, struct buf *meant) {
    struct nearest n = {nearest_option(o, name, strlen(name)), 0};
    char word[2][ENVIRONMENT_NAME_MAX]; /* the candidate, and the best one */
    unsigned at = 0;
    for (const char *p = OPTIONS_OF_ALL + 1; n.best == NULL || n.best == word[1 - at];
         p += strcspn(p, " ") + 1) {
        struct buf candidate = buf_over(word[at], sizeof word[at]);
        if (*p == '\0')
            break;
        buf_put(&candidate, p, strcspn(p, " "));
        nearest_try(&n, name, strlen(name), word[at]);
        at = n.best == word[at] ? 1 - at : at;
    }
    if (n.best != NULL)
        environment_name(&(struct option_spec){.name = n.best}, meant->data);
}

void options_unknown(const struct options *o, options_tell *tell, void *context) {
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        char name[ENVIRONMENT_NAME_MAX], variable[ENVIRONMENT_NAME_MAX], meant[ENVIRONMENT_NAME_MAX] = "";
        if (!option_of_variable(*entry, name))
            continue;
        const struct option_spec *spec = find(o, name, strlen(name));
        if ((spec != NULL && !is_old(spec)) || (spec == NULL && listed(OPTIONS_OF_ALL, name, strlen(name))))
            continue;
        struct buf shown = BUF(variable), other = BUF(meant);
        buf_printable(&shown, *entry, strcspn(*entry, "="), sizeof variable - 8);
        put_meant(o, spec != NULL ? new_name(o, spec) : name, &other);
        tell(context, variable, meant);
    }
}

bool option_duration(const char *value, int64_t *ms, struct buf *problem) {
    int64_t parsed;
    enum err e = time_parse_duration(value, &parsed);
    if (e == ERR_OK) {
        *ms = parsed;
        return true;
    }
    buf_str(problem, e == ERR_MISSING ? "a unit is missing, as in 500ms, 5s, 1m30s, 1h"
                     : e == ERR_RANGE ? "more than 10000h"
                                      : "not a duration such as 500ms, 5s, 1m30s or 1h");
    return false;
}

bool option_flag(const char *value, bool *out, struct buf *problem) {
    static const char yes[][5] = {"true", "1", "on", "yes"}, no[][6] = {"false", "0", "off", "no"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (strcasecmp(value, yes[i]) == 0 || strcasecmp(value, no[i]) == 0) {
            *out = strcasecmp(value, yes[i]) == 0;
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
    struct nearest n = {NULL, 0};
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcasecmp(value, names[i]) == 0) {
            *index = i;
            return true;
        }
        nearest_try(&n, value, strnlen(value, OPTIONS_VALUE_MAX), names[i]);
    }
    buf_str(problem, "not one of");
    for (size_t i = 0; names[i] != NULL; i++)
        buf_fmt(problem, "%s %s", i > 0 ? "," : "", names[i]);
    if (n.best != NULL)
        buf_fmt(problem, "; did you mean %s?", n.best);
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
