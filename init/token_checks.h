/* The mounted token, as far as it can be judged without its issuer: early words for what AWS would refuse. */
#ifndef POD_IDENTITY_INIT_TOKEN_CHECKS_H
#define POD_IDENTITY_INIT_TOKEN_CHECKS_H

#include "init/check.h"

check_function check_token_readable, check_token_format, check_token_audience, check_token_issuer,
    check_token_times, check_token_identity;

#endif
