/* The command `serve`. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_WEBHOOK_SERVE_H
#define POD_IDENTITY_AGENT_WEBHOOK_WEBHOOK_SERVE_H

#include "agent/webhook/settings.h"

#define WEBHOOK_EXIT_NO_SANDBOX 71 /* --sandbox=require, and a part cannot be had (EX_OSERR) */
#define WEBHOOK_EXIT_NO_ADDRESS 73 /* an address that cannot be had (EX_CANTCREAT) */

/* Returns the program's exit status. */
int webhook_serve(const struct webhook_settings *settings);

#endif
