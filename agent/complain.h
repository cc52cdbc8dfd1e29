/* What the commands say when they end. */
#ifndef POD_IDENTITY_AGENT_COMPLAIN_H
#define POD_IDENTITY_AGENT_COMPLAIN_H

#include "common/base/failure.h"

/* One line on stderr, "pod-identity-agent: REASON: message. Remedy: …". Returns the reason as exit status. */
int complain_failure(const struct failure *failure);
int complain(int status, const char *text);

/* For the log: "message. Remedy: …", in static storage. */
const char *complain_told(const struct failure *failure);

#endif
