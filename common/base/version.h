/* What this build is made of, for --version. */
#ifndef POD_IDENTITY_BASE_VERSION_H
#define POD_IDENTITY_BASE_VERSION_H

#include "common/base/buf.h"

#define VERSION_TEXT_MAX 512

/* "pod-identity-init 0.1.0 (abc1234)\nmusl …\nBearSSL …\n…\n": program, git revision, and the four libraries
 * as built. */
void version_text(const char *program, struct buf *out);

/* The version alone, "0.1.0". */
const char *version_number(void);
/* The git revision. */
const char *version_revision(void);

#endif
