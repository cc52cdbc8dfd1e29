/* Files that are read again when they change: certificate, template, associations. A new one that cannot be
 * used is said, and the old one stays. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_RELOADS_H
#define POD_IDENTITY_AGENT_WEBHOOK_RELOADS_H

#include "agent/webhook/settings.h"

/* Reads them all for the first time. 0, or the program's exit status: what was wrong is said. */
int reloads_first(const struct webhook_settings *settings);

/* Watches them from now on. After loop_open(). */
void reloads_watch(void);

/* As if all had changed: for SIGHUP. */
void reloads_all(void);

/* Whether the certificate is valid by the clock. */
bool reloads_certificate_valid(void);

#endif
