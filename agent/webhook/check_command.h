/* The command `check`: what the start reads, read and told. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_CHECK_COMMAND_H
#define POD_IDENTITY_AGENT_WEBHOOK_CHECK_COMMAND_H

#include "agent/webhook/settings.h"

/* Returns the program's exit status: 0, or 14 if anything is wrong. */
int check_command(const struct webhook_settings *settings);

#endif
