/* What was injected into this container, and why something was not. */
#ifndef POD_IDENTITY_INIT_INJECTION_CHECKS_H
#define POD_IDENTITY_INIT_INJECTION_CHECKS_H

#include "init/check.h"

check_function check_injection_labels, check_injection_pair, check_injection_uri, check_injection_token_path;

#endif
