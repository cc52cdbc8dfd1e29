/* The seccomp filter of the sidecar: which system calls its loop may make once it has started.
 *
 * What is not listed traps: the process gets SIGSYS, whose handler (sandbox.c) logs the number and exits.
 * Calls that a library makes only to find out whether they exist, and sockets of another address family,
 * return an error instead. A call of another architecture's table (x32 included) kills the process. */
#ifndef POD_IDENTITY_SANDBOX_SANDBOX_FILTER_H
#define POD_IDENTITY_SANDBOX_SANDBOX_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

/* Jumps of the filter's own program reach 255 instructions: that bounds the list. */
#define SANDBOX_FILTER_MAX 250

/* What is allowed only to who needs it. */
struct sandbox_calls {
    bool signal;  /* pidfd_open(2) and pidfd_send_signal(2), for any process and signal */
    bool resolve; /* datagrams (UDP), which Landlock does not hold to a port */
};

/* Writes the program to out, SANDBOX_FILTER_MAX instructions; how many it has. */
size_t sandbox_filter(struct sock_filter *out, struct sandbox_calls may);

#endif
