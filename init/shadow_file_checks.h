/* The shared files, ~/.aws/config and ~/.aws/credentials: what AWS SDKs would take out of them before EKS Pod
 * Identity. Only the names of settings are shown. */
#ifndef POD_IDENTITY_INIT_SHADOW_FILE_CHECKS_H
#define POD_IDENTITY_INIT_SHADOW_FILE_CHECKS_H

#include "init/check.h"

check_function check_shadow_credentials_file, check_shadow_config_file;

#endif
