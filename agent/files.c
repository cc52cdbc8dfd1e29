#include "agent/files.h"

#include <errno.h>
#include <stddef.h>

static watches_event *readers[FILES_READERS_MAX];

static void changed(void) {
    for (size_t i = 0; i < FILES_READERS_MAX && readers[i] != NULL; i++)
        readers[i]();
}

static bool know(watches_event *reader) {
    size_t i = 0;
    while (i < FILES_READERS_MAX && readers[i] != NULL && readers[i] != reader)
        i++;
    errno = ENOSPC;
    if (i < FILES_READERS_MAX)
        readers[i] = reader;
    return i < FILES_READERS_MAX;
}

bool files_watch(struct watches_file *file, const char *path, watches_event *reader) {
    return know(reader) && watches_file(file, path, changed);
}

bool files_watch_folder(struct watches_file *file, const char *path, watches_event *reader) {
    return know(reader) && watches_folder(file, path, changed);
}
