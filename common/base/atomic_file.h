/* Publishing a file whole: a reader sees the old content or the new, never a part, and a crash leaves one of
 * the two. */
#ifndef POD_IDENTITY_BASE_ATOMIC_FILE_H
#define POD_IDENTITY_BASE_ATOMIC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ATOMIC_FILE_PATH_MAX 4096
#define ATOMIC_FILE_KEEP ((gid_t)(-1))

struct atomic_file_problem {
    const char *step; /* "create a temporary file beside it", "write", …: static text */
    int error;        /* errno of that step */
};

/* Writes data to a temporary file in path's own directory, sets mode and group (ATOMIC_FILE_KEEP: leave it),
 * syncs it, renames it onto path and syncs the directory. If path is a symbolic link, the link is replaced.
 * On failure the temporary file is removed, path is as it was, *problem says where it failed, and the result
 * is false. */
bool atomic_file_write(const char *path, const void *data, size_t len, mode_t mode, gid_t group,
                       struct atomic_file_problem *problem);

/* Removes temporary files that an earlier process, killed while writing, left beside path. */
void atomic_file_clean(const char *path);

#endif
