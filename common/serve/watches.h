/* What the kernel tells besides sockets: signals, a wall clock that was set, a file that was replaced. */
#ifndef POD_IDENTITY_SERVE_WATCHES_H
#define POD_IDENTITY_SERVE_WATCHES_H

#include <limits.h>
#include <stdbool.h>

typedef void watches_signal(int signal);
typedef void watches_event(void);

/* SIGTERM, SIGINT, SIGUSR1 and SIGHUP arrive as events. false with errno. */
bool watches_signals(watches_signal *handler);

/* A jump of the wall clock, or the end of a suspend. false with errno. */
bool watches_clock(watches_event *handler);

/* The caller's storage for one file; its fields are private. */
struct watches_file {
    struct watches_file *next;
    char name[NAME_MAX + 1];
};

/* The file at that path, which is absolute, was replaced. The DIRECTORY is watched: the kubelet renames
 * "..data", and a watch on the file itself would die with the old one. Each call adds a file, in a directory
 * of its own or not; the handler of the last call counts. false with errno, for instance when the directory
 * is not there. */
bool watches_file(struct watches_file *file, const char *path, watches_event *handler);
/* Likewise, for anything in the folder at that path, and for the folder itself, whose end ends the watch. It
 * may be called again for the same struct and path. */
bool watches_folder(struct watches_file *file, const char *path, watches_event *handler);
/* Forgets them all, to watch anew: the directories may be others by then. */
void watches_forget_files(void);

#endif
