#include "sidecar/complain.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/docs.h"
#include "common/base/io.h"
#include "common/serve/unix_client.h"

#define PATIENCE_MS                                                                                          \
    1000 /* with a reader of standard error who does not read: then the status says it alone */

#define TERMINATION_MAX 4096 /* what the kubelet keeps of a termination message */

static int termination_log = -1; /* opened early: behind the sandbox there is no such path */

/* The kubelet mounts the file; where there is none, none is made. */
void complain_open(void) {
    termination_log = open("/dev/termination-log", O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

void complain_last(const char *text, size_t len) {
    char line[TERMINATION_MAX];
    struct buf b = BUF(line);
    buf_printable(&b, text, len, sizeof line - 8);
    buf_char(&b, '\n');
    (void)io_write_all(termination_log, b.data, b.len);
}

int complain(int status, const char *text) {
    char line[FAILURE_MESSAGE_MAX + FAILURE_REMEDY_MAX + UNIX_CLIENT_PROBLEM_MAX + DOCS_SEE_MAX];
    struct buf b = BUF(line);
    buf_fmt(&b, "pod-identity-sidecar: %s\n", text);
    complain_last(text, strlen(text)); /* first: nobody may be reading the other */
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
