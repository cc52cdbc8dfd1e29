#include "common/base/options_help.h"

#include <string.h>

#define HELP_COLUMN 28

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

static void put_option(struct buf *out, const struct option_spec *spec) {
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
    buf_str(&line, option_part(spec, OPTION_HELP));
    if (*default_text != '\0')
        buf_fmt(&line, " [%s]", default_text);
    options_wrap(out, line.data, line.len, HELP_COLUMN, HELP_COLUMN);
}

/* A group's head only where one of its options follows. */
static void put_options(struct buf *out, const struct options *options,
                        const struct option_command *command) {
    const struct option_spec *head = NULL;
    for (const struct option_spec *spec = options->specs; spec->name != NULL; spec++) {
        if (option_is_group(spec)) {
            head = spec;
        } else if (*option_part(spec, OPTION_HELP) != '\0' &&
                   (command == NULL || option_is_of(command, spec->name))) {
            if (head != NULL)
                buf_fmt(out, "\n%s:\n", head->name);
            head = NULL;
            put_option(out, spec);
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

static void put_commands(struct buf *out, const struct options *options) {
    if (options->commands == NULL)
        return;
    buf_str(out, "\nCommands:\n");
    for (const struct option_command *c = options->commands; c->name != NULL; c++) {
        buf_fmt(out, "  %-18s", c->name);
        options_wrap(out, c->about, strlen(c->about), 20, 20);
    }
}

void options_help(const struct options *options, int argc, char **argv, struct buf *out) {
    const struct option_command *command = named_command(options, argc, argv);
    const char *about = command != NULL ? command->about : options->about;
    buf_fmt(out, "Usage: %s %s%s\n\n", options->program, command != NULL ? command->name : options->synopsis,
            command != NULL ? " [OPTION]..." : "");
    options_wrap(out, about, strlen(about), 0, 0);
    if (command == NULL)
        put_commands(out, options);
    put_options(out, options, command);
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
        buf_str(out, options->epilogue);
    }
}
