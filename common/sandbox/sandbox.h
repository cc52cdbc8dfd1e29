/* What the sidecar gives up between its start and the first byte from outside: capabilities, new privileges,
 * files other than its own (Landlock), and system calls other than the loop's (seccomp). */
#ifndef POD_IDENTITY_SANDBOX_SANDBOX_H
#define POD_IDENTITY_SANDBOX_SANDBOX_H

#include "common/sandbox/sandbox_landlock.h"

/* AUTO: every part that can be had; a warning for what is not. REQUIRE: all, or an error. */
enum sandbox_mode { SANDBOX_AUTO, SANDBOX_REQUIRE, SANDBOX_OFF };

/* Adds a path; "" is nothing. One beyond the storage sets rules->overflow, to be asked for once at the end.
 */
void sandbox_allow(struct sandbox_rules *rules, const char *path, enum sandbox_access access);

/* Logs what is in force. False, with problem, if mode wants a part that cannot be had. After it, a system
 * call that is not allowed logs its number and ends the process with REASON_INTERNAL. */
bool sandbox_enter(enum sandbox_mode mode, const struct sandbox_rules *rules, struct buf *problem);

#endif
