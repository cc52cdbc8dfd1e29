/* What TLS needs before anybody is asked. */
#ifndef POD_IDENTITY_INIT_TLS_CHECKS_H
#define POD_IDENTITY_INIT_TLS_CHECKS_H

#include "init/check.h"

check_function check_tls_authorities;

#endif
