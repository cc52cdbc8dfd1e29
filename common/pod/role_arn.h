/* The ARN of a role, wherever it comes from: a variable, an option, a file.
 *
 * Source: IAM User Guide, "IAM identifiers" and "IAM and AWS STS quotas". */
#ifndef POD_IDENTITY_POD_ROLE_ARN_H
#define POD_IDENTITY_POD_ROLE_ARN_H

#include <stdbool.h>

#include "common/base/buf.h"

#define ROLE_ARN_MAX 2048

/* Whose STS is asked: others than AWS have ARNs of their own shape, such as arn:minio:iam:::role/ID. */
enum role_arn_maker { ROLE_ARN_AWS, ROLE_ARN_ANY };

/* False, with the reason in words that fit behind the value: "names an account of 11 digits, not 12". An ARN
 * of AWS (arn:aws…) is held to AWS's rules in either case. */
bool role_arn_check(const char *arn, enum role_arn_maker maker, struct buf *problem);

#endif
