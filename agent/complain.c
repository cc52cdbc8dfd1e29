#include "agent/complain.h"

#include <unistd.h>

#include "common/base/docs.h"
#include "common/base/io.h"

#define LINE_MAX_BYTES (FAILURE_MESSAGE_MAX + FAILURE_REMEDY_MAX + DOCS_SEE_MAX + 128)
#define PATIENCE_MS                                                                                          \
    1000 /* with a reader of standard error who does not read: then the status says it alone */

int complain(int status, const char *text) {
    char line[LINE_MAX_BYTES];
    struct buf b = BUF(line);
    buf_fmt(&b, "pod-identity-agent: %s\n", text);
    (void)io_write_within(STDERR_FILENO, b.data, b.len, PATIENCE_MS);
    return status;
}

int complain_failure(const struct failure *failure) {
    char text[LINE_MAX_BYTES - 32];
    struct buf b = BUF(text);
    buf_fmt(&b, "%s: %s. Remedy: %s", reason_name(failure->reason), failure->message, failure->remedy);
    docs_see(&b, reason_name(failure->reason));
    return complain((int)failure->reason, text);
}

const char *complain_told(const struct failure *failure) {
    static char text[FAILURE_MESSAGE_MAX + FAILURE_REMEDY_MAX + 16];
    struct buf b = BUF(text);
    buf_str(&b, failure->message);
    if (failure->remedy[0] != '\0')
        buf_fmt(&b, ". Remedy: %s", failure->remedy);
    return text;
}
