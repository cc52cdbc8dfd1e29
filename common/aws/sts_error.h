/* What the errors of STS mean. Source: the list of errors in boto/botocore data/sts/2011-06-15 and
 * _retry.json, aws/aws-sdk-go-v2 credentials/stscreds; "Common errors" of the API reference. */
#ifndef POD_IDENTITY_AWS_STS_ERROR_H
#define POD_IDENTITY_AWS_STS_ERROR_H

#include "common/aws/aws_call.h"
#include "common/aws/sts_role.h"

/* The failure of an answer that is not 200. role: NULL for GetCallerIdentity. */
enum reason sts_error(const struct aws_target *target, const struct sts_role *role,
                      const struct http_response *response, struct failure *failure);

#endif
