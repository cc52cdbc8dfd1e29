/* What is kept of a request once it is answered: a count, and a line of the log at debug. */
#ifndef POD_IDENTITY_ACCESS_H
#define POD_IDENTITY_ACCESS_H

#include "sidecar/routes.h"

void access_record(enum routes_kind listener, const struct request *request, int status);

#endif
