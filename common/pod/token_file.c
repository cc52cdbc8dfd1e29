#include "common/pod/token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/wipe.h"
#include "common/pod/token_path.h"

#define OPEN_ATTEMPTS 5 /* each follows the links anew; a rename by the kubelet takes microseconds */
static int open_token(const char *path) {
    int fd = -1;
    for (int i = 0; i < OPEN_ATTEMPTS; i++) {
        /* O_NONBLOCK: a FIFO in the token's place must not hold us for ever. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd >= 0 || errno != ENOENT)
            return fd;
    }
    return fd;
}

static enum reason unreadable(const char *path, const char *what, struct failure *f) {
    struct buf m = failure_begin(f, REASON_TOKEN_UNREADABLE);
    buf_str(&m, "token file ");
    token_path_put(&m, path);
    buf_fmt(&m, " %s", what);
    failure_remedy(
        f, "mount the projected serviceAccountToken volume there; nothing else may write to that path");
    return f->reason;
}

static enum reason check_text(const char *path, struct token *out, struct failure *f) {
    if (out->len > 0 && out->text[out->len - 1] == '\n') {
        out->len--;
        if (out->len > 0 && out->text[out->len - 1] == '\r')
            out->len--;
    }
    out->text[out->len] = '\0';
    if (out->len == 0)
        return unreadable(path, "is empty", f);
    for (size_t i = 0; i < out->len; i++) {
        unsigned char c = (unsigned char)out->text[i];
        if (c > ' ' && c < 0x7F)
            continue;
        struct buf m = failure_begin(f, REASON_TOKEN_INVALID);
        buf_str(&m, "token file ");
        token_path_put(&m, path);
        buf_fmt(&m, " holds byte 0x%02x at offset %zu: a token is one line of visible ASCII", c, i);
        failure_remedy(
            f, "mount the projected serviceAccountToken volume there, and let nothing else write the file");
        return f->reason;
    }
    return REASON_OK;
}

static enum reason read_open_file(const char *path, int fd, struct token *out, struct failure *f) {
    struct stat st;
    if (fstat(fd, &st) != 0)
        return token_path_explain(path, errno, f);
    if (S_ISDIR(st.st_mode))
        return unreadable(path, "is a directory, not a file", f);
    if (!S_ISREG(st.st_mode))
        return unreadable(path, "is not a regular file", f);
    if (!io_read_all(fd, out->text, sizeof out->text, &out->len)) {
        struct buf m = failure_begin(f, REASON_TOKEN_UNREADABLE);
        int error = errno;
        buf_str(&m, "cannot read token file ");
        token_path_put(&m, path);
        buf_fmt(&m, ": %s (errno %d)", strerror(error), error);
        failure_remedy(f, "see the node's log for errors of that volume, then recreate the pod");
        return f->reason;
    }
    if (out->len > TOKEN_FILE_MAX)
        return unreadable(path, "has more than 65536 bytes: that is not a service account token", f);
    return check_text(path, out, f);
}

enum reason token_file_read(const char *path, struct token *out, struct failure *failure) {
    token_wipe(out);
    int fd = open_token(path);
    if (fd < 0)
        return token_path_explain(path, errno, failure);
    enum reason reason = read_open_file(path, fd, out, failure);
    close(fd);
    if (reason != REASON_OK)
        token_wipe(out);
    return reason;
}

bool token_file_there(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

void token_wipe(struct token *token) {
    wipe(token->text, token->len);
    token->len = 0;
}
