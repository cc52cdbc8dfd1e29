#include "agent/privileges.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/process.h"

#define CAPABILITIES_MAX 64 /* the kernel ends the loop before */

bool privileges_drop(uid_t uid, gid_t gid, struct buf *problem) {
    if (geteuid() != 0 || uid == 0)
        return true;
    /* The sandbox could not do that any more; without CAP_SETPCAP nobody can, and no_new_privs does it. */
    for (unsigned long cap = 0; cap < CAPABILITIES_MAX && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
        ;
    if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) {
        int error = errno;
        buf_fmt(
            problem,
            "cannot become user %u: %s (errno %d); the container needs the capabilities SETUID and SETGID",
            (unsigned)uid, strerror(error), error);
        return false;
    }
    process_harden(); /* the kernel resets what a change of user resets */
    return true;
}
