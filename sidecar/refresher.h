/* Keeps the credentials of each profile fresh: drives a refresh machine with real events, and hands its
 * results to answers and files. */
#ifndef POD_IDENTITY_SIDECAR_REFRESHER_H
#define POD_IDENTITY_SIDECAR_REFRESHER_H

#include "common/source/refresh.h"
#include "sidecar/config.h"

/* config is borrowed, and so are the sources, one for each profile. The first fetches begin with the loop. */
void refresher_open(const struct config *config, struct source *sources);

/* REFRESH_CLOCK_JUMPED, REFRESH_TOKEN_ROTATED or REFRESH_REQUESTED. */
void refresher_event(enum refresh_event_kind kind);

/* Makes what is served true at this moment: credentials that have ended are withdrawn. */
void refresher_check(void);

/* No fetch from now on; what is valid stays served until it ends. */
void refresher_stop(void);

#endif
