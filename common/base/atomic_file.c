#include "common/base/atomic_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/io.h"
#include "common/base/scratch.h"

/* ".NAME.pod-identity-XXXXXX": hidden, recognisable, and beside the target, because a rename cannot cross
 * volumes. */
#define TEMPORARY_MARK ".pod-identity-"

struct place {
    char directory[ATOMIC_FILE_PATH_MAX];
    char name[ATOMIC_FILE_PATH_MAX];
};

static bool split(const char *path, struct place *out) {
    struct buf directory = BUF(out->directory);
    struct buf name = BUF(out->name);
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        buf_char(&directory, '.');
    else
        buf_put(&directory, path, slash == path ? 1 : (size_t)(slash - path));
    buf_str(&name, slash == NULL ? path : slash + 1);
    return !directory.overflow && !name.overflow && name.len > 0;
}

static bool fill(int fd, const void *data, size_t len, mode_t mode, gid_t group, const char **step) {
    *step = "write";
    if (!io_write_all(fd, data, len))
        return false;
    *step = "set the group of";
    if (group != ATOMIC_FILE_KEEP && fchown(fd, (uid_t)-1, group) != 0)
        return false;
    *step = "set the mode of"; /* after the group: a change of owner may clear mode bits */
    if (fchmod(fd, mode) != 0)
        return false;
    *step = "sync";
    return fsync(fd) == 0;
}

static void sync_directory(const char *directory) {
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return; /* a directory that may be written but not read: the file is published all the same */
    (void)fsync(fd);
    close(fd);
}

bool atomic_file_write(const char *path, const void *data, size_t len, mode_t mode, gid_t group,
                       struct atomic_file_problem *problem) {
    SCRATCH static struct place place;
    SCRATCH static char temporary_text[2 * ATOMIC_FILE_PATH_MAX];
    struct buf temporary = BUF(temporary_text);
    *problem = (struct atomic_file_problem){.step = "use the path of", .error = ENAMETOOLONG};
    if (!split(path, &place))
        return false;
    buf_fmt(&temporary, "%s/.%s" TEMPORARY_MARK "XXXXXX", place.directory, place.name);
    problem->step = "create a temporary file beside";
    if (temporary.overflow)
        return false;
    int fd = mkostemp(temporary.data, O_CLOEXEC);
    if (fd < 0) {
        problem->error = errno;
        return false;
    }
    bool ok = fill(fd, data, len, mode, group, &problem->step);
    problem->error = errno;
    if (close(fd) != 0 && ok) {
        ok = false;
        problem->step = "close";
        problem->error = errno;
    }
    if (ok && rename(temporary.data, path) != 0) {
        ok = false;
        problem->step = "rename a temporary file onto";
        problem->error = errno;
    }
    if (!ok) {
        unlink(temporary.data);
        return false;
    }
    sync_directory(place.directory);
    problem->error = 0;
    return true;
}

void atomic_file_clean(const char *path) {
    SCRATCH static struct place place;
    char prefix_text[NAME_MAX + 1];
    struct buf prefix = BUF(prefix_text);
    if (!split(path, &place))
        return;
    buf_fmt(&prefix, ".%s" TEMPORARY_MARK, place.name);
    DIR *directory = prefix.overflow ? NULL : opendir(place.directory);
    if (directory == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (strncmp(entry->d_name, prefix.data, prefix.len) == 0 && strlen(entry->d_name) == prefix.len + 6)
            unlinkat(dirfd(directory), entry->d_name, 0);
    }
    closedir(directory);
}
