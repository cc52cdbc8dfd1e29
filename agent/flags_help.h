/* The texts of --help and of a usage error. */
#ifndef POD_IDENTITY_AGENT_FLAGS_HELP_H
#define POD_IDENTITY_AGENT_FLAGS_HELP_H

#include "common/base/buf.h"

void flags_help(struct buf *out);
/* command: what the first word was; NULL: there was none. */
void flags_usage(const char *command, struct buf *out);

#endif
