/* What AWS SDKs would take before EKS Pod Identity, or instead of it. This program goes on, the application
 * would not: so each is a warning.
 *
 * Source: the default chains of the SDKs: boto/botocore credentials.py, aws/aws-sdk-go-v2 config,
 * aws/aws-sdk-js-v3 credential-provider-node, minio/minio-go pkg/credentials. */
#ifndef POD_IDENTITY_INIT_SHADOW_CHECKS_H
#define POD_IDENTITY_INIT_SHADOW_CHECKS_H

#include "init/check.h"

check_function check_shadow_static_keys, check_shadow_profile, check_shadow_web_identity,
    check_shadow_relative_uri, check_shadow_proxy, check_shadow_metadata, check_shadow_region,
    check_shadow_token_value, check_settings_variables;

#endif
