/* What the user asked for: the options, read and judged. */
#ifndef POD_IDENTITY_INIT_CONFIG_H
#define POD_IDENTITY_INIT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/options.h"
#include "common/pod/jwt.h"
#include "common/source/source.h"

enum verify { VERIFY_INJECTION, VERIFY_CREDENTIALS, VERIFY_IDENTITY };
enum format { FORMAT_TEXT, FORMAT_JSON };

struct config {
    struct source_options source;
    int64_t wait_ms; /* 0: one attempt */
    int64_t min_ttl_ms;
    enum verify verify;
    enum format format;
    char expect_namespace[JWT_TEXT_MAX];       /* "": any */
    char expect_service_account[JWT_TEXT_MAX]; /* "": any */
    char termination_log[OPTIONS_VALUE_MAX];
    bool termination_log_named; /* by the user: then a failure to write it is worth a word */
    bool strict;
    bool try_other_family;
    bool list_checks;
    const char *explain;                /* the reason to explain; NULL: check the pod */
    char pod_labels[OPTIONS_VALUE_MAX]; /* a file; "": none */
    char install[OPTIONS_VALUE_MAX];    /* a directory; "": nothing is installed */
    bool install_sh;                    /* there under the name sh as well */
};

extern const struct options config_options;

/* Fills in *out, with what was understood so far even on OPTIONS_USAGE; problem then holds one line. */
enum options_result config_read(int argc, char **argv, struct config *out, struct buf *problem);

#endif
