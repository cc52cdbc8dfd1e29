/* Files and folders that are read again when they change. watches.h has one handler for all that is watched:
 * here each reader has one of its own, which is called whatever changed, and looks for itself. */
#ifndef POD_IDENTITY_AGENT_FILES_H
#define POD_IDENTITY_AGENT_FILES_H

#include "common/serve/watches.h"

#define FILES_READERS_MAX 4

/* As watches_file() and watches_folder(). */
bool files_watch(struct watches_file *file, const char *path, watches_event *reader);
bool files_watch_folder(struct watches_file *file, const char *path, watches_event *reader);

#endif
