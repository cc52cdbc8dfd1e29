#include "common/base/options_help.h"

#include <string.h>

#define HELP_COLUMN 28

/* What is printed, and the packed texts that belong to it. */
struct help {
    struct buf *out;
    const char *texts;
};

/* A text of the table, or, where that has only a mark, the packed one of that number. */
static const char *text_of(const struct help *h, const char *text, size_t number) {
    if (strcmp(text, OPTIONS_PACKED) != 0)
        return text;
    const char *at = h->texts;
    while (number-- > 0)
        at += strlen(at) + 1;
    return at;
}

void options_wrap(struct buf *out, const char *text, size_t len, size_t column, size_t at) {
    for (bool first = true; len > 0; first = false) {
        const char *space = memchr(text, ' ', len);
        size_t word = space != NULL ? (size_t)(space - text) : len;
        if (!first && at + 1 + word > OPTIONS_HELP_WIDTH) {
            buf_char(out, '\n');
            for (at = 0; at < column; at++)
                buf_char(out, ' ');
        } else if (!first) {
            buf_char(out, ' ');
            at++;
        }
        buf_put(out, text, word);
        at += word;
        word += space != NULL;
        text += word;
        len -= word;
    }
    buf_char(out, '\n');
}

static void put_option(const struct help *h, const struct option_spec *spec, size_t row) {
    struct buf *out = h->out;
    const char *value_name = option_part(spec, OPTION_VALUE_NAME),
               *default_text = option_part(spec, OPTION_DEFAULT);
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
    buf_str(&line, text_of(h, option_part(spec, OPTION_HELP), row));
    if (*default_text != '\0')
        buf_fmt(&line, " [%s]", default_text);
    options_wrap(out, line.data, line.len, HELP_COLUMN, HELP_COLUMN);
}

/* A group's head only where one of its options follows. */
static void put_options(const struct help *h, const struct options *options,
                        const struct option_command *command) {
    const struct option_spec *head = NULL;
    for (const struct option_spec *spec = options->specs; spec->name != NULL; spec++) {
        if (option_is_group(spec)) {
            head = spec;
        } else if (*option_part(spec, OPTION_HELP) != '\0' &&
                   (command == NULL || option_is_of(command, spec->name))) {
            if (head != NULL)
                buf_fmt(h->out, "\n%s:\n", head->name);
            head = NULL;
            put_option(h, spec, (size_t)(spec - options->specs));
        }
    }
}

/* Of the command that argv names, or of all. */
static const struct option_command *named_command(const struct options *options, int argc, char **argv) {
    for (const struct option_command *c = options->commands; c != NULL && c->name != NULL; c++) {
        for (int i = 1; i < argc; i++) {
            if (strcmp(argv[i], c->name) == 0)
                return c;
        }
    }
    return NULL;
}

static void put_commands(const struct help *h, const struct options *options, size_t rows) {
    struct buf *out = h->out;
    if (options->commands == NULL)
        return;
    buf_str(out, "\nCommands:\n");
    for (const struct option_command *c = options->commands; c->name != NULL; c++) {
        const char *about = text_of(h, c->about, rows + (size_t)(c - options->commands));
        buf_fmt(out, "  %-18s", c->name);
        options_wrap(out, about, strlen(about), 20, 20);
    }
}

void options_help(const struct options *options, int argc, char **argv, struct buf *out) {
    const struct option_command *command = named_command(options, argc, argv);
    size_t rows = 0, commands = 0;
    while (options->specs[rows].name != NULL)
        rows++;
    while (options->commands != NULL && options->commands[commands].name != NULL)
        commands++;
    const struct help h = {.out = out, .texts = options->unpack != NULL ? options->unpack() : NULL};
    const char *about = command != NULL
                            ? text_of(&h, command->about, rows + (size_t)(command - options->commands))
                            : text_of(&h, options->about, rows + commands);
    buf_fmt(out, "Usage: %s %s%s\n\n", options->program, command != NULL ? command->name : options->synopsis,
            command != NULL ? " [OPTION]..." : "");
    options_wrap(out, about, strlen(about), 0, 0);
    if (command == NULL)
        put_commands(&h, options, rows);
    put_options(&h, options, command);
    buf_fmt(out,
            "\nGeneral:\n"
            "  -h, --help                print this%s\n"
            "  -V, --version             print the versions of program and libraries\n"
            "\nDefaults are in brackets. --some-name can also be given as the variable\n"
            "POD_IDENTITY_SOME_NAME; the option wins. Durations: 500ms, 5s, 1m30s, 1h.\n",
            command == NULL && options->commands != NULL && options->commands->takes != NULL
                ? ", or COMMAND --help: of one command"
                : "");
    if (options->epilogue != NULL) {
        buf_char(out, '\n');
        buf_str(out, text_of(&h, options->epilogue, rows + commands + 1));
    }
}
