/* The name under which images of Kubernetes start their programs: `/go-runner FLAG... PROGRAM ARGUMENT...`.
 * Ours starts nothing: its own flags are dropped, and the program must be this one.
 *
 * Source: Kubernetes images/build/go-runner; Go src/flag. No I/O. */
#ifndef POD_IDENTITY_AGENT_GO_RUNNER_H
#define POD_IDENTITY_AGENT_GO_RUNNER_H

#include <stdbool.h>

#include "common/base/buf.h"

/* Whether argv[0] is that name, in whichever folder; NULL is none. */
bool go_runner_is(const char *program);

/* words, which end with NULL, are those behind argv[0]. One dash or two, a value in the same word or, but for
 * a boolean, in the next one. Returns where the words for the program begin; NULL, with the problem, for a
 * flag that go-runner does not have, or another program. *log_file: --log-file was given. */
const char *const *go_runner_behind(const char *const *words, bool *log_file, struct buf *problem);

#endif
