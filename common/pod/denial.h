/* Which policy denies: AWS names its kind in the text of a denial.
 *
 * Source: IAM User Guide, "Troubleshoot access denied error messages". */
#ifndef POD_IDENTITY_POD_DENIAL_H
#define POD_IDENTITY_POD_DENIAL_H

#include <stddef.h>

/* What to do about the policy that the text names, or NULL if it names none but the usual ones (the role's
 * own, and whom it trusts), without an explicit deny. Static text without %. */
const char *denial_remedy(const char *text, size_t len);

#endif
