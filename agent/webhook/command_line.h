/* The webhook's command line: one table is the source of reading, of the variables POD_IDENTITY_… and of
 * --help. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_COMMAND_LINE_H
#define POD_IDENTITY_AGENT_WEBHOOK_COMMAND_LINE_H

#include "agent/webhook/settings.h"

/* out is zero. As options_read() (options.h); what several settings together cannot be is a usage error, too.
 */
enum options_result command_line_read(int argc, char **argv, struct webhook_settings *out,
                                      struct buf *problem);

void command_line_help(int argc, char **argv, struct buf *out);

/* Logs variables that look like ours, and are none. */
void command_line_warn(void);

#endif
