/* Whether credentials are for whom they should be. No I/O here. */
#ifndef POD_IDENTITY_AWS_IDENTITY_EXPECT_H
#define POD_IDENTITY_AWS_IDENTITY_EXPECT_H

#include "common/aws/sts.h"

/* Whether a role of that ARN, or of that name, is the one of an identity. The path of a role does not stand
 * in the ARN of its sessions. */
bool identity_is_role(const struct sts_identity *identity, const char *expected);

/* REASON_UNEXPECTED_IDENTITY with *failure if it is not of that account or role; "": any will do. */
enum reason identity_expect(const struct sts_identity *identity, const char *account, const char *role,
                            struct failure *failure);

/* The same of an account that came with the credentials; "": it did not, which is refused, too. */
enum reason identity_expect_account(const char *account, const char *expected, struct failure *failure);

#endif
