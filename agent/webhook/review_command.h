/* The command `review`. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_REVIEW_COMMAND_H
#define POD_IDENTITY_AGENT_WEBHOOK_REVIEW_COMMAND_H

#include "agent/webhook/settings.h"

/* Returns the program's exit status: 0, 1 if the pod is refused, 65 if standard input holds neither. */
#define REVIEW_EXIT_REFUSED 1
#define REVIEW_EXIT_DATA 65 /* EX_DATAERR */
int review_command(const struct webhook_settings *settings);

#endif
