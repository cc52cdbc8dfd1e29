/* The command `server`. */
#ifndef POD_IDENTITY_AGENT_SERVE_H
#define POD_IDENTITY_AGENT_SERVE_H

#include "agent/settings.h"

#define SERVE_EXIT_NO_SANDBOX 71 /* --sandbox=require, and a part cannot be had (EX_OSERR) */
#define SERVE_EXIT_NO_ADDRESS 73 /* an address that cannot be had (EX_CANTCREAT) */

/* Returns the program's exit status. */
int serve(const struct settings *settings);

#endif
