/* Whether what is to keep profiles apart does so. */
#ifndef POD_IDENTITY_SIDECAR_SEPARATION_H
#define POD_IDENTITY_SIDECAR_SEPARATION_H

#include "sidecar/config.h"

/* A profile with a socket or a bearer of its own is meant for one container. False, with problem, where
 * another would reach it all the same: what it has lies in a directory with something of others, its list of
 * users is also that of another, or --imds serves it to everybody. Or where what it says has no effect. Looks
 * at the directories. */
bool separation_check(const struct config *config, struct buf *problem);

#endif
