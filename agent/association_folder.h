/* A mounted ConfigMap as a source of associations: one file a key. */
#ifndef POD_IDENTITY_AGENT_ASSOCIATION_FOLDER_H
#define POD_IDENTITY_AGENT_ASSOCIATION_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

/* Reads the folder into the table as that source; *changed: it is another than before. False with errno if it
 * cannot be read, and then the table is as it was. */
bool association_folder_read(size_t source, const char *path, bool *changed);

#endif
