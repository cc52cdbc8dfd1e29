/* Whom AWS takes the credentials for. */
#ifndef POD_IDENTITY_INIT_IDENTITY_CHECKS_H
#define POD_IDENTITY_INIT_IDENTITY_CHECKS_H

#include "init/check.h"

check_function check_identity_caller;

#endif
