/* The authorities that https trusts, as the commands of the sidecar take them. */
#ifndef POD_IDENTITY_SIDECAR_TRUST_H
#define POD_IDENTITY_SIDECAR_TRUST_H

#include "common/base/failure.h"
#include "common/source/source_options.h"

/* One file for all sources of the process: the first profile's. What cannot be used of it is logged, once.
 * needed: somebody is asked over https. False with *failure if waiting cannot help then: somebody named a
 * file with which nobody can be trusted. */
bool trust_authorities(const struct source_options *options, bool needed, struct failure *failure);

#endif
