/* --config: the options of the command line as a JSON file, and several profiles. See sidecar/CONFIG.md. */
#ifndef POD_IDENTITY_SIDECAR_CONFIG_FILE_H
#define POD_IDENTITY_SIDECAR_CONFIG_FILE_H

#include "sidecar/config.h"

/* Reads the file into *out, which holds the defaults. False, with one line that names file, line, key and
 * reason: a key that is not known, a value of the wrong type, and whatever the option itself refuses. */
bool config_file_read(const char *path, struct config *out, struct buf *problem);

/* The same for a text that was read; path is for messages. */
bool config_file_parse(const char *path, const char *text, size_t len, struct config *out,
                       struct buf *problem);

#endif
