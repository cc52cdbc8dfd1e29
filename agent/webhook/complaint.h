/* What the webhook says when it ends. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_COMPLAINT_H
#define POD_IDENTITY_AGENT_WEBHOOK_COMPLAINT_H

#include "common/base/failure.h"

/* One line on stderr, "pod-identity-webhook: TEXT". Returns the status. */
int complaint(int status, const char *text);
/* "pod-identity-webhook: REASON: message. Remedy: …". Returns the reason as status. */
int complaint_failure(const struct failure *failure);

#endif
