/* What the kernel tells besides sockets: signals, a wall clock that was set, a token that was replaced. */
#ifndef POD_IDENTITY_WATCHES_H
#define POD_IDENTITY_WATCHES_H

#include <stdbool.h>

typedef void watches_signal(int signal);
typedef void watches_event(void);

/* SIGTERM, SIGINT, SIGUSR1 and SIGHUP arrive as events. false with errno. */
bool watches_signals(watches_signal *handler);

/* A jump of the wall clock, or the end of a suspend. false with errno. */
bool watches_clock(watches_event *handler);

/* The file at that path was replaced. The DIRECTORY is watched: the kubelet renames "..data", and a watch on
 * the file itself would die with the old one. A second call watches anew, as the directory may be another one
 * by then. false with errno, for instance when the directory is not there. */
bool watches_token(const char *path, watches_event *handler);

#endif
