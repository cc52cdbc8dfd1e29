/* The checks, in the order in which a person would make them: each looks at one thing and tells what it
 * found. */
#ifndef POD_IDENTITY_INIT_CHECKS_H
#define POD_IDENTITY_INIT_CHECKS_H

#include "init/check.h"

/* Runs all; those behind a failure are skipped. */
void checks_run(struct run *run, struct report *report);

/* One line a check: its name, and what it looks at. */
#define CHECKS_LIST_MAX 4096
void checks_list(struct buf *out);

#endif
