#include "agent/association_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/association_table.h"
#include "common/base/buf.h"
#include "common/base/far.h"
#include "common/base/io.h"

#define ATTEMPTS 3 /* to read one that changes meanwhile */

FAR static char value[ASSOCIATIONS_VALUE_MAX + 1]; /* one byte more: a longer one is seen */

/* The kubelet makes a folder for each version, and lets "..data" lead to the present one by a rename: what
 * was opened through it is of one version. Source: Kubernetes pkg/volume/util/atomic_writer.go. A folder that
 * nobody mounted has no such link. */
static DIR *open_version(const char *path) {
    char text[PATH_MAX];
    struct buf data = BUF(text);
    buf_fmt(&data, "%s/..data", path);
    errno = ENAMETOOLONG;
    DIR *d = data.overflow ? NULL : opendir(text);
    return d == NULL && errno == ENOENT ? opendir(path) : d;
}

static void put_unreadable(const char *key, const char *why) {
    char text[128];
    struct buf b = BUF(text);
    buf_fmt(&b, "cannot be read: %s", why);
    table_put_unreadable(key, strlen(key), text);
}

/* False: it is gone, and the folder has to be looked at anew. */
static bool put_file(int folder, const char *key) {
    struct stat st;
    size_t len;
    int fd = openat(folder, key, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return false;
    if (fd < 0) {
        put_unreadable(key, strerror(errno));
        return true;
    }
    if (fstat(fd, &st) != 0)
        put_unreadable(key, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        put_unreadable(key, "it is not a regular file");
    else if (!io_read_all(fd, value, sizeof value, &len))
        put_unreadable(key, strerror(errno));
    else
        table_put(key, strlen(key), value, len);
    close(fd);
    return true;
}

/* False: errno is 0 if the folder changed under the reading. */
static bool read_version(size_t source, DIR *d, bool last) {
    table_begin(source);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(d);
        if (entry == NULL)
            return errno == 0;
        if (strcmp(entry->d_name, ".") == 0 || strncmp(entry->d_name, "..", 2) == 0)
            continue;
        if (!put_file(dirfd(d), entry->d_name) && !last) {
            errno = 0;
            return false;
        }
    }
}

bool association_folder_read(size_t source, const char *path, bool *changed) {
    for (int left = ATTEMPTS; left-- > 0;) {
        DIR *d = open_version(path);
        if (d == NULL)
            return false;
        bool whole = read_version(source, d, left == 0);
        int kept = errno;
        closedir(d);
        errno = kept;
        if (whole) {
            *changed = table_end();
            return true;
        }
        if (errno != 0)
            return false;
    }
    return false;
}
