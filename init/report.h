/* What was found, and how it is told: on standard output for people or machines, in the termination log for
 * whoever looks at the pod's status. */
#ifndef POD_IDENTITY_INIT_REPORT_H
#define POD_IDENTITY_INIT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/failure.h"

#define REPORT_VERSION 1     /* of the JSON document: raised when a reader of the old one would go wrong */
#define REPORT_CHECKS_MAX 32 /* above the number of checks that there are */
/* The JSON of one check: message and remedy with every byte escaped, and the frame around them. */
#define REPORT_ITEM_MAX (6 * (FAILURE_MESSAGE_MAX + FAILURE_REMEDY_MAX) + 256)
#define REPORT_PATIENCE_MS                                                                                   \
    5000 /* with a reader who does not read: a pod must start, or say why not, all the same */
#define REPORT_TERMINATION_MAX 4096 /* what the kubelet keeps of a termination message */

enum check_status { CHECK_PASS, CHECK_WARN, CHECK_FAIL, CHECK_SKIP };

struct check_result {
    const char *id;
    enum check_status status;
    bool unreached;         /* skipped, because an earlier one failed */
    struct failure finding; /* reason is that of a warning or failure, REASON_OK otherwise */
};

struct report {
    const char *source; /* source_name() */
    int64_t waited_ms;
    size_t count;
    struct check_result results[REPORT_CHECKS_MAX];
};

/* The result that decides: the first failure; NULL if there is none. */
const struct check_result *report_decisive(const struct report *report);
/* REASON_OK, or that of the deciding result: the exit code. */
enum reason report_reason(const struct report *report);

/* Writes the whole report; false (and errno) if fd does not take it. */
bool report_text(const struct report *report, bool colour, int fd);
bool report_json(const struct report *report, int fd);

/* One line, "REASON: message. Remedy: remedy", for the termination log. out takes REPORT_TERMINATION_MAX
 * bytes. */
void report_termination_line(const struct failure *failure, struct buf *out);

#endif
