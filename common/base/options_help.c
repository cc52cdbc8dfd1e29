#include "common/base/options_help.h"

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
    put_wrapped(out, line.data, HELP_COLUMN, HELP_COLUMN);
}

void options_help(const struct options *options, struct buf *out) {
    buf_fmt(out, "Usage: %s %s\n\n", options->program, options->synopsis);
    put_wrapped(out, options->about, 0, 0);
    buf_str(out, "\nOptions [default]:\n");
    for (const struct option_spec *spec = options->specs; spec->name != NULL; spec++) {
        if (*option_part(spec, OPTION_HELP) != '\0')
            put_option(out, spec);
    }
    static const struct option_spec help[] = {
        OPTION("help", "", "", "print this and exit", NULL, false),
        OPTION("version", "", "", "print the versions of this program and its libraries and exit", NULL,
               false)};
    put_option(out, &help[0]);
    put_option(out, &help[1]);
    buf_str(out, "\nEvery option can also be given in the environment: --some-name as "
                 "POD_IDENTITY_SOME_NAME; the option wins.\n"
                 "Durations: 500ms, 5s, 1m30s, 1h.\n");
    if (options->epilogue != NULL) {
        buf_char(out, '\n');
        buf_str(out, options->epilogue);
    }
}
