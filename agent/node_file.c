#include "agent/node_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/far.h"
#include "common/base/io.h"
#include "common/base/wipe.h"

static bool put_path(struct node_file *file, const char *folder, const char *rest) {
    struct buf path = BUF(file->path);
    buf_str(&path, folder);
    buf_str(&path, rest);
    return !path.overflow && file->path[0] == '/';
}

bool node_file_find(struct node_file *file, injection_getenv *lookup) {
    const char *named = lookup("AWS_SHARED_CREDENTIALS_FILE"), *home = lookup("HOME");
    if (named != NULL && *named != '\0')
        return put_path(file, named, "");
    return home != NULL && *home != '\0' && put_path(file, home, "/.aws/credentials");
}

/* ---- failures ---- */

static enum reason fail(const struct node_file *file, struct failure *f, const char *cause,
                        const char *what) {
    struct buf m = failure_begin(f, REASON_SETTING_INVALID);
    f->cause = cause;
    buf_str(&m, "the shared credentials file ");
    buf_printable(&m, file->path, strlen(file->path), 300);
    buf_fmt(&m, " %s", what);
    failure_remedy(f,
                   "write the node's credentials to [%s] of that file (aws_access_key_id, "
                   "aws_secret_access_key, aws_session_token), as IAM Roles Anywhere's credential helper "
                   "does, or name another with AWS_SHARED_CREDENTIALS_FILE",
                   file->profile);
    return f->reason;
}

static enum reason unreadable(const struct node_file *file, int error, struct failure *f) {
    struct stat st;
    const char *cause = error == ENOENT   ? "file-missing"
                        : error == EACCES ? "file-permission"
                                          : "file-unreadable";
    (void)fail(file, f, cause, "cannot be read: ");
    struct buf m = failure_more(f);
    buf_fmt(&m, "%s (errno %d)", strerror(error), error);
    if (error != EACCES)
        return f->reason;
    if (stat(file->path, &st) == 0)
        buf_fmt(&m, "; it belongs to %u:%u with mode %04o, and this process is %u:%u", (unsigned)st.st_uid,
                (unsigned)st.st_gid, (unsigned)(st.st_mode & 07777), (unsigned)getuid(), (unsigned)getgid());
    failure_remedy(f, "restart the agent, which becomes the file's owner at its start; or let the file be "
                      "readable for it, and its folder");
    return f->reason;
}

/* ---- reading ---- */

static bool same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool take(struct ini_word value, char *out, size_t cap) {
    if (value.len == 0 || value.len >= cap)
        return false;
    memcpy(out, value.at, value.len);
    out[value.len] = '\0';
    return credentials_text_valid(out);
}

/* The last value of a key counts, as botocore has it. NULL, or what is wrong. */
static const char *parse(const struct node_file *file, const char *text, size_t len, struct credentials *c) {
    struct ini_reader r = {.at = text, .end = text + len};
    struct ini_line line;
    bool ours = false, there = false, id = false, secret = false, token = true;
    while (ini_next(&r, &line)) {
        if (line.kind == INI_SECTION) {
            ours = ini_is(line.name, file->profile);
            there = there || ours;
        } else if (ours && line.kind == INI_SETTING) {
            if (ini_is_key(line.name, "aws_access_key_id"))
                id = take(line.value, c->access_key_id, sizeof c->access_key_id);
            else if (ini_is_key(line.name, "aws_secret_access_key"))
                secret = take(line.value, c->secret_access_key, sizeof c->secret_access_key);
            else if (ini_is_key(line.name, "aws_session_token"))
                token = take(line.value, c->session_token, sizeof c->session_token);
        }
    }
    if (!there)
        return "does not hold the profile that is wanted: there is no such section";
    return !id       ? "has no aws_access_key_id in that profile that can be used"
           : !secret ? "has no aws_secret_access_key in that profile that can be used"
           : !token  ? "has an aws_session_token in that profile that cannot be used"
                     : NULL;
}

static enum reason read_open(struct node_file *file, int fd, const struct stat *st, struct credentials *out,
                             bool *changed, struct failure *f) {
    FAR static char text[NODE_FILE_MAX];
    FAR static struct credentials fresh;
    size_t len;
    if (!io_read_all(fd, text, sizeof text, &len)) {
        enum reason unread = unreadable(file, errno, f);
        wipe(text, len);
        return unread;
    }
    const char *wrong = len == sizeof text ? "has more than 65535 bytes" : parse(file, text, len, &fresh);
    enum reason reason = REASON_OK;
    if (wrong != NULL) {
        reason = fail(file, f, "file-content", wrong);
    } else {
        fresh.expires_ms = CLOCK_NEVER;
        credentials_copy(&fresh, out);
        file->seen = *st;
        file->taken = *changed = true;
    }
    wipe(text, len);
    credentials_wipe(&fresh);
    return reason;
}

enum reason node_file_read(struct node_file *file, struct credentials *out, bool *changed,
                           struct failure *f) {
    struct stat st;
    *changed = false;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return unreadable(file, errno, f);
    enum reason reason = REASON_OK;
    if (fstat(fd, &st) != 0)
        reason = unreadable(file, errno, f);
    else if (!S_ISREG(st.st_mode))
        reason = fail(file, f, "file-kind", "is not a regular file");
    else if (!file->taken || !same_file(&st, &file->seen))
        reason = read_open(file, fd, &st, out, changed, f);
    close(fd);
    return reason;
}
