#include "init/install.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/atomic_file.h"
#include "common/base/far.h"
#include "common/base/io.h"

#define PATH_SHOWN 300

static void put_path(struct buf *m, const char *path) {
    buf_printable(m, path, strlen(path), PATH_SHOWN);
}

static bool failed(const char *step, const char *path, int error, const char *remedy, struct failure *f) {
    struct buf m = failure_begin(f, REASON_INTERNAL);
    f->permanent = true;
    buf_fmt(&m, "--install: cannot %s ", step);
    put_path(&m, path);
    buf_fmt(&m, ": %s (errno %d)", strerror(error), error);
    failure_remedy(f, "%s", remedy);
    return false;
}

static const char *target_remedy(int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return "the directory must exist: mount an emptyDir volume there, in this container and in those "
               "that use it";
    case EACCES:
    case EPERM:
        return "let this container's user write there: set the pod's securityContext.fsGroup, and mount an "
               "emptyDir";
    case EROFS:
        return "the directory lies on a read-only file system: mount an emptyDir volume there";
    case ENOSPC:
    case EDQUOT:
        return "the volume is full: raise the emptyDir's sizeLimit, or free space on the node";
    default:
        return "check that the directory is a writable volume of this pod";
    }
}

/* "/dir/pod-identity-get", dir being that of the running executable. */
static bool find_source(struct buf *path, struct failure *f) {
    static const char self[] = "/proc/self/exe";
    static const char remedy[] = "run the program from its image, where " INSTALL_NAME " lies beside it";
    char own[ATOMIC_FILE_PATH_MAX];
    ssize_t len = readlink(self, own, sizeof own);
    if (len < 0)
        return failed("read", self, errno, remedy, f);
    while (len > 0 && own[len - 1] != '/')
        len--;
    buf_put(path, own, (size_t)len);
    buf_str(path, INSTALL_NAME);
    return path->overflow ? failed("use the path in", self, ENAMETOOLONG, remedy, f) : true;
}

/* Reads up to the size limit and one byte more, which tells that it was exceeded. */
static bool read_source(const char *path, char *out, size_t *out_len, struct failure *f) {
    static const char remedy[] =
        "use an image of this project that is whole: " INSTALL_NAME " lies beside this program";
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return failed("open", path, errno, remedy, f);
    bool whole = io_read_all(fd, out, INSTALL_SIZE_MAX + 1, out_len);
    int error = !whole ? errno : *out_len > INSTALL_SIZE_MAX ? EFBIG : *out_len == 0 ? ENODATA : 0;
    close(fd);
    return error == 0 ? true : failed("read", path, error, remedy, f);
}

static bool write_target(const char *directory, const char *name, const char *content, size_t len,
                         struct buf *message, struct failure *f) {
    static char text[ATOMIC_FILE_PATH_MAX];
    struct buf target = BUF(text);
    struct atomic_file_problem problem;
    buf_fmt(&target, "%s/%s", directory, name);
    if (target.overflow)
        return failed("use the directory", directory, ENAMETOOLONG, "choose a shorter path", f);
    atomic_file_clean(target.data);
    if (!atomic_file_write(target.data, content, len, 0755, ATOMIC_FILE_KEEP, &problem))
        return failed(problem.step, target.data, problem.error, target_remedy(problem.error), f);
    put_path(message, target.data);
    return true;
}

bool install_get(const char *directory, bool as_shell, struct buf *message, struct failure *failure) {
    FAR static char storage[INSTALL_SIZE_MAX + 1];
    static char source_text[ATOMIC_FILE_PATH_MAX];
    char *content = far_hidden(storage);
    struct buf source = BUF(source_text);
    size_t len = 0;
    if (!find_source(&source, failure) || !read_source(source.data, content, &len, failure))
        return false;
    buf_str(message, "copied to ");
    if (!write_target(directory, INSTALL_NAME, content, len, message, failure))
        return false;
    if (as_shell) {
        buf_str(message, " and ");
        if (!write_target(directory, INSTALL_SHELL_NAME, content, len, message, failure))
            return false;
    }
    buf_fmt(message, ", %zu bytes", len);
    return true;
}
