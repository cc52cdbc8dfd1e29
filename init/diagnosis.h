/* What more can be said about an exchange that failed, for the reader of one line in a termination message.
 */
#ifndef POD_IDENTITY_INIT_DIAGNOSIS_H
#define POD_IDENTITY_INIT_DIAGNOSIS_H

#include "init/check.h"

#define DIAGNOSIS_SKEW_TOLERATED_S 60 /* the Date header has whole seconds; AWS refuses from 5 minutes on */

/* Server's clock less ours, in seconds; false if the agent did not say what time it is. */
bool diagnosis_skew(const struct wait_result *fetched, int64_t *skew_s);

/* After an attempt with --try-other-family: asks the agent's other address, without a token, and writes what
 * came of it to run->other_family. True if an agent is alive there. Between http_open() and http_close(). */
bool diagnosis_other_family(struct run *run);

/* Adds to run->fetched.failure what the token, the probe without a token, and the clocks tell. Between
 * http_open() and http_close(). */
void diagnosis_extend(struct run *run);

#endif
