#include "sidecar/complain.h"

#include <unistd.h>

#include "common/base/docs.h"
#include "common/base/io.h"
#include "common/serve/unix_client.h"

#define PATIENCE_MS                                                                                          \
    1000 /* with a reader of standard error who does not read: then the status says it alone */

int complain(int status, const char *text) {
    char line[FAILURE_MESSAGE_MAX + FAILURE_REMEDY_MAX + UNIX_CLIENT_PROBLEM_MAX + DOCS_SEE_MAX];
    struct buf b = BUF(line);
    buf_fmt(&b, "pod-identity-sidecar: %s\n", text);
    (void)io_write_within(STDERR_FILENO, b.data, b.len, PATIENCE_MS);
    return status;
}

int complain_failure(const struct failure *failure) {
    char text[FAILURE_MESSAGE_MAX + FAILURE_REMEDY_MAX + DOCS_SEE_MAX + 64];
    struct buf b = BUF(text);
    buf_fmt(&b, "%s: %s. Remedy: %s", reason_name(failure->reason), failure->message, failure->remedy);
    docs_see(&b, reason_name(failure->reason));
    return complain((int)failure->reason, text);
}
