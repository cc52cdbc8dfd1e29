/* The body of /v1/identity: whose credentials a profile serves, as far as that is known without asking for
 * it. Nothing in it is secret. */
#ifndef POD_IDENTITY_SIDECAR_IDENTITY_H
#define POD_IDENTITY_SIDECAR_IDENTITY_H

#include "common/aws/sts_role.h"
#include "common/base/buf.h"
#include "common/text/ini.h"

#define IDENTITY_MAX (INI_PROFILE_MAX + STS_USER_ID_MAX + STS_ARN_MAX + 256) /* with its NUL */

struct credentials;
struct sts_identity;

struct identity {
    const char *profile, *source; /* its name, and where the credentials come from, as --source has it */
    const struct sts_identity *who;
};

/* JSON. What is not known is left out. */
void identity_render(const struct identity *identity, const struct credentials *c, struct buf *out);

#endif
