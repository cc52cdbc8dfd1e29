/* What the sidecar counts, and its rendering for Prometheus (text exposition format 0.0.4). */
#ifndef POD_IDENTITY_SIDECAR_METRICS_H
#define POD_IDENTITY_SIDECAR_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/failure.h"
#include "sidecar/answers.h"
#include "sidecar/listeners.h"

/* An upstream request has ended, after so long; REASON_OK if it brought credentials. */
void metrics_refreshed(enum reason reason, int64_t took_ms);
/* Before all else, if there is more than one profile: their names, for a label. Borrowed. */
void metrics_open(const char *const *names, size_t count);
/* What a profile serves from now on: when it was fetched and when it ends, wall time; 0 and 0: nothing. */
void metrics_serving(size_t profile, int64_t fetched_ms, int64_t expires_ms);
void metrics_files(bool written);
/* view: what the listener shows, see answers.h; a socket of one profile is counted by itself. */
void metrics_request(enum listener listener, size_t view, int status);

enum metrics_token {
    METRICS_TOKEN_SIGNED,
    METRICS_TOKEN_KEPT,
    METRICS_TOKEN_LIMITED,
    METRICS_TOKEN_REFUSED,
    METRICS_TOKENS
};
/* A token was asked for, and signed; or there was one; or not given, as the user asked too often, or as
 * something was wrong with the request. Files count as signed. */
void metrics_token(enum metrics_token result);

/* /metrics, as of now. For whoever may see one profile only, what is about that one alone. */
const struct answer *metrics_answer(size_t view);

#endif
