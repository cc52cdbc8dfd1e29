#include "agent/flags_help.h"

#include <string.h>

#include "agent/flags_table.h"
#include "common/base/options_help.h"

#define COLUMN 30

static void put_flag(struct buf *out, const struct option_spec *spec) {
    const char *value_name = option_part(spec, OPTION_VALUE_NAME),
               *default_text = option_part(spec, OPTION_DEFAULT);
    char letter = flags_letter(spec), text[512];
    struct buf line = BUF(text);
    size_t start = out->len;
    if (letter != '\0')
        buf_fmt(out, "  -%c, ", letter);
    else
        buf_str(out, "      ");
    buf_fmt(out, "--%s", spec->name);
    if (*value_name != '\0')
        buf_fmt(out, " %s", value_name);
    if (out->len - start > COLUMN - 2) {
        buf_char(out, '\n');
        start = out->len;
    }
    while (out->len - start < COLUMN && !out->overflow)
        buf_char(out, ' ');
    buf_str(&line, option_part(spec, OPTION_HELP));
    if (*default_text != '\0')
        buf_fmt(&line, " [%s]", default_text);
    options_wrap(out, line.data, line.len, COLUMN, COLUMN);
}

void flags_help(struct buf *out) {
    buf_str(out, "Usage: pod-identity-agent COMMAND [FLAG]...\n"
                 "\n"
                 "Hands AWS credentials to the pods of a node, in place of the EKS Pod Identity\n"
                 "Agent; with --associations on any other Kubernetes, too.\n"
                 "\n"
                 "Commands:\n"
                 "  server      serve the pods of this node\n"
                 "  initialize  give the node the addresses that pods ask at (CAP_NET_ADMIN)\n"
                 "  probe       exit 0 if the server of this node is ready (asks at --probe-port)\n"
                 "  version     print the versions\n");
    for (const struct option_spec *spec = flags_table; spec->name != NULL; spec++) {
        if (option_is_group(spec))
            buf_fmt(out, "\n%s:\n", spec->name);
        else if (*option_part(spec, OPTION_HELP) != '\0') /* without: taken, and not shown */
            put_flag(out, spec);
    }
    buf_str(out, "\n"
                 "General:\n"
                 "  -h, --help                  print this\n"
                 "  -V, --version               print the versions of program and libraries\n"
                 "\n"
                 "Defaults are in brackets. --some-name VALUE, --some-name=VALUE and the variable\n"
                 "POD_IDENTITY_AGENT_SOME_NAME are the same; the flag wins. Durations: 3h, 1h30m,\n"
                 "90s.\n"
                 "\n"
                 "Exit status: 0; 1 a flag that cannot be used, a probe that finds it not ready,\n"
                 "an address that cannot be made; 14 a setting of the environment; 70 an internal\n"
                 "error, or a call that the sandbox stopped; 71 no sandbox.\n");
}

void flags_usage(const char *command, struct buf *out) {
    static const char known[] = " server initialize probe version ";
    size_t len = command != NULL ? strlen(command) : 0;
    const char *at = len > 0 && strchr(command, ' ') == NULL ? strstr(known, command) : NULL;
    bool is_command = at != NULL && at[-1] == ' ' && at[len] == ' ';
    buf_fmt(out, "Usage: pod-identity-agent %s [FLAG]...\n       pod-identity-agent --help lists all flags\n",
            is_command ? command : "COMMAND");
}
