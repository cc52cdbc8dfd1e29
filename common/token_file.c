#include "common/token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/wipe.h"

#define OPEN_ATTEMPTS 5 /* each follows the links anew; a rename by the kubelet takes microseconds */
#define GROUPS_SHOWN 32
#define PATH_SHOWN 400
#define FS_GROUP_REMEDY                                                                                      \
    "set securityContext.fsGroup in the pod spec to a group of this container, so that the kubelet makes "   \
    "the token "                                                                                             \
    "readable (0640), or run all containers of the pod as the same user"

/* Foreign text, and up to 4095 bytes: a message of FAILURE_MESSAGE_MAX would not hold it, and must stay one
 * line. */
static void put_path(struct buf *m, const char *path) {
    buf_printable(m, path, strlen(path), PATH_SHOWN);
}

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

static void put_process_ids(struct buf *m) {
    gid_t groups[GROUPS_SHOWN];
    int count = getgroups(GROUPS_SHOWN, groups);
    buf_fmt(m, "this process has uid %u, gid %u, groups", (unsigned)geteuid(), (unsigned)getegid());
    for (int i = 0; i < count; i++)
        buf_fmt(m, "%s%u", i == 0 ? " " : ",", (unsigned)groups[i]);
    if (count == 0)
        buf_str(m, " none");
    else if (count < 0)
        buf_str(m, " more than 32");
}

static enum reason open_failed(const char *path, int error, struct failure *f) {
    struct buf m = failure_begin(f, REASON_TOKEN_UNREADABLE);
    struct stat st;
    buf_str(&m, "cannot open token file ");
    put_path(&m, path);
    buf_fmt(&m, ": %s (errno %d)", strerror(error), error);
    if (error == EACCES || error == EPERM) {
        buf_str(&m, "; ");
        put_process_ids(&m);
        if (stat(path, &st) == 0)
            buf_fmt(&m, "; the file belongs to uid %u, gid %u, mode %04o", (unsigned)st.st_uid,
                    (unsigned)st.st_gid, (unsigned)(st.st_mode & 07777));
        else
            buf_str(&m, "; a folder on the way to it cannot be searched");
        failure_remedy(f, FS_GROUP_REMEDY);
    } else if (error == ENOENT && lstat(path, &st) == 0) {
        buf_str(&m, "; the path is a symbolic link whose target is missing (the projected volume is empty)");
        failure_remedy(
            f, "see the pod's events for the projected volume (kubectl describe pod), then recreate the pod");
    } else {
        failure_remedy(
            f, "check that the pod has a projected serviceAccountToken volume and that this container mounts "
               "it at that path (kubectl get pod -o yaml); a mutated pod has both, so recreate the pod");
    }
    return f->reason;
}

static enum reason unreadable(const char *path, const char *what, struct failure *f) {
    struct buf m = failure_begin(f, REASON_TOKEN_UNREADABLE);
    buf_str(&m, "token file ");
    put_path(&m, path);
    buf_fmt(&m, " %s", what);
    failure_remedy(
        f, "mount the projected serviceAccountToken volume there; nothing else may write to that path");
    return f->reason;
}

/* Reads until the end of the file or one byte more than may be. */
static bool read_all(int fd, struct token *out) {
    while (out->len < sizeof out->text) {
        ssize_t n = read(fd, out->text + out->len, sizeof out->text - out->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        out->len += (size_t)n;
    }
    return true;
}

static enum reason check_text(const char *path, struct token *out, struct failure *f) {
    if (out->len > 0 && out->text[out->len - 1] == '\n')
        out->len--;
    if (out->len > 0 && out->text[out->len - 1] == '\r')
        out->len--;
    out->text[out->len] = '\0';
    if (out->len == 0)
        return unreadable(path, "is empty", f);
    for (size_t i = 0; i < out->len; i++) {
        unsigned char c = (unsigned char)out->text[i];
        if (c > ' ' && c < 0x7F)
            continue;
        struct buf m = failure_begin(f, REASON_TOKEN_INVALID);
        buf_str(&m, "token file ");
        put_path(&m, path);
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
        return open_failed(path, errno, f);
    if (S_ISDIR(st.st_mode))
        return unreadable(path, "is a directory, not a file", f);
    if (!S_ISREG(st.st_mode))
        return unreadable(path, "is not a regular file", f);
    if (!read_all(fd, out)) {
        struct buf m = failure_begin(f, REASON_TOKEN_UNREADABLE);
        int error = errno;
        buf_str(&m, "cannot read token file ");
        put_path(&m, path);
        buf_fmt(&m, ": %s (errno %d)", strerror(error), error);
        failure_remedy(f, "see the node's log for errors of that volume, then recreate the pod");
        return f->reason;
    }
    if (out->len > TOKEN_FILE_MAX)
        return unreadable(path, "has more than 65536 bytes: that is no service account token", f);
    return check_text(path, out, f);
}

enum reason token_file_read(const char *path, struct token *out, struct failure *failure) {
    token_wipe(out);
    int fd = open_token(path);
    if (fd < 0)
        return open_failed(path, errno, failure);
    enum reason reason = read_open_file(path, fd, out, failure);
    close(fd);
    if (reason != REASON_OK)
        token_wipe(out);
    return reason;
}

void token_wipe(struct token *token) {
    wipe(token->text, token->len);
    token->len = 0;
}
