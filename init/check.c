#include "init/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/io.h"

#define QUOTED_MAX 253 /* the longest name in Kubernetes */

enum check_status check_passed(struct failure *finding, const char *format, ...) {
    va_list args;
    failure_begin(finding, REASON_OK);
    va_start(args, format);
    (void)vsnprintf(finding->message, sizeof finding->message, format, args);
    va_end(args);
    return CHECK_PASS;
}

enum check_status check_skipped(struct failure *finding, const char *message) {
    (void)check_passed(finding, "%s", message);
    return CHECK_SKIP;
}

void check_quote(struct buf *message, const char *text) {
    buf_char(message, '"');
    buf_printable(message, text, strlen(text), QUOTED_MAX);
    buf_char(message, '"');
}

void check_quote_uri(struct buf *message, const struct uri *uri) {
    buf_char(message, '"');
    uri_show(uri->text, message);
    buf_char(message, '"');
}

const char *check_server(const struct run *run) {
    return run->source.kind == SOURCE_WEB_IDENTITY ? "STS"
           : run->source.kind == SOURCE_EKS_AUTH   ? "EKS Auth"
                                                   : "the agent";
}

bool check_is_loopback(const struct run *run) {
    enum uri_host kind = run->source.injection.uri.kind;
    return run->source.kind == SOURCE_POD_IDENTITY &&
           (kind == URI_HOST_LOOPBACK || kind == URI_HOST_LOCALHOST);
}

bool check_is_set(const struct run *run, const char *name) {
    const char *value = run->lookup(name);
    return value != NULL && *value != '\0';
}

bool check_read_file(const char *path, char *out, size_t max, size_t *len) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    *len = 0;
    if (fd < 0)
        return false;
    int error = !io_read_all(fd, out, max + 1, len) ? errno : *len > max ? EFBIG : 0;
    close(fd);
    errno = error;
    return error == 0;
}

const char *check_cluster_id(const struct jwt_claims *claims) {
    static const char before[] = "/id/";
    const char *id = strstr(claims->issuer, before);
    return id != NULL && id[sizeof before - 1] != '\0' ? id + sizeof before - 1 : NULL;
}
