/* The text of --help. */
#ifndef POD_IDENTITY_BASE_OPTIONS_HELP_H
#define POD_IDENTITY_BASE_OPTIONS_HELP_H

#include "common/base/options.h"

/* Made from the table: of the command that argv names, or of all. */
void options_help(const struct options *options, int argc, char **argv, struct buf *out);
#define OPTIONS_HELP_MAX 16384
#define OPTIONS_HELP_WIDTH 80

/* Writes len bytes of text, which stand at column `at` already, and a line break; further lines are indented
 * to `column`. */
void options_wrap(struct buf *out, const char *text, size_t len, size_t column, size_t at);

#endif
