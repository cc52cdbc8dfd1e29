/* The way to the agent, and what it hands out. The first check makes the attempts, the others read their
 * result. */
#ifndef POD_IDENTITY_INIT_CREDENTIAL_CHECKS_H
#define POD_IDENTITY_INIT_CREDENTIAL_CHECKS_H

#include "init/check.h"

check_function check_agent_reachable, check_agent_clock, check_agent_credentials, check_credentials_lifetime,
    check_credentials_account;

#endif
