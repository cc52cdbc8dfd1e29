/* Values as Go's flag libraries read them: what was right for the EKS Pod Identity Agent is right here.
 *
 * Source: Go src/time/format.go (ParseDuration), src/strconv/atoi.go. No I/O. */
#ifndef POD_IDENTITY_AGENT_GO_VALUES_H
#define POD_IDENTITY_AGENT_GO_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

#define GO_DURATION_MAX_MS (10000LL * 60 * 60 * 1000) /* as for the options of all our programs */

/* "3h", "1h30m", "1.5h", "300ms", "0"; a sign in front. Rounded to whole milliseconds, but only 0 is 0. */
bool go_duration(const char *text, int64_t *ms, struct buf *problem);

/* A whole number, decimal, 0x… or octal as 0…, within bounds. */
bool go_integer(const char *text, int64_t min, int64_t max, int64_t *out, struct buf *problem);

/* Bytes, as Kubernetes writes them: a number alone, or with Ki, Mi or Gi. */
bool go_bytes(const char *text, int64_t min, int64_t max, int64_t *out, struct buf *problem);

/* 1, t, T, true, TRUE, True and their opposites. */
bool go_bool(const char *text, bool *out, struct buf *problem);

#endif
