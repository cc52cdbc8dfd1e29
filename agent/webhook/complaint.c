#include "agent/webhook/complaint.h"

#include <unistd.h>

#include "common/base/io.h"

#define PATIENCE_MS                                                                                          \
    1000 /* with a reader of standard error who does not read: then the status says it alone */
#define LINE_MAX_BYTES 6144

int complaint(int status, const char *text) {
    char line[LINE_MAX_BYTES];
    struct buf b = BUF(line);
    buf_fmt(&b, "pod-identity-webhook: %s\n", text);
    (void)io_write_within(STDERR_FILENO, b.data, b.len, PATIENCE_MS);
    return status;
}

int complaint_failure(const struct failure *failure) {
    char text[FAILURE_MESSAGE_MAX + FAILURE_REMEDY_MAX + 128];
    struct buf b = BUF(text);
    buf_fmt(&b, "%s: %s", reason_name(failure->reason), failure->message);
    if (failure->remedy[0] != '\0')
        buf_fmt(&b, ". Remedy: %s", failure->remedy);
    return complaint((int)failure->reason, text);
}
