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
 * the file itself would die with the old one. Each call adds a file, up to WATCHES_TOKENS_MAX of them, in
 * directories of their own or not. false with errno, for instance when the directory is not there. */
#define WATCHES_TOKENS_MAX 8
bool watches_token(const char *path, watches_event *handler);
/* Forgets them all, to watch anew: the directories may be others by then. */
void watches_forget_tokens(void);

#endif
