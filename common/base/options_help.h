/* The text of --help. */
#ifndef POD_IDENTITY_BASE_OPTIONS_HELP_H
#define POD_IDENTITY_BASE_OPTIONS_HELP_H

#include "common/base/options.h"

/* Made from the table. */
void options_help(const struct options *options, struct buf *out);
#define OPTIONS_HELP_MAX 16384

#endif
