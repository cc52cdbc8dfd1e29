#include "common/sandbox/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/failure.h"
#include "common/base/log.h"
#include "common/sandbox/sandbox_filter.h"

#define CAPABILITIES_MAX 64 /* as many as a capset can hold; the kernel ends the loop before */

void sandbox_allow(struct sandbox_rules *rules, const char *path, enum sandbox_access access) {
    if (path[0] == '\0')
        return;
    if (rules->path_count == rules->path_max)
        rules->overflow = true;
    else
        rules->paths[rules->path_count++] = (struct sandbox_path){.path = path, .access = access};
}

static bool fail(struct buf *problem, const char *what) {
    int error = errno;
    buf_fmt(problem, "%s: %s (errno %d)", what, strerror(error), error);
    return false;
}

/* ---- privileges ---- */

static bool no_new_privileges(struct buf *problem) {
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 || fail(problem, "cannot set no_new_privs");
}

/* The bounding and the ambient set as far as is allowed: with no_new_privs nothing comes back from them. */
static bool no_capabilities(struct buf *problem) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    for (unsigned long cap = 0; cap < CAPABILITIES_MAX && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
        ;
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &header, none) == 0 || fail(problem, "cannot drop the capabilities");
}

/* ---- seccomp ---- */

/* Only what is safe in a signal handler: the log formats on the stack and writes once. */
static void on_denied_call(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)context;
    LOG(LOG_ERROR, "a system call that the sandbox does not allow: ending",
        LOG_NUMBER("syscall", info->si_syscall), LOG_NUMBER("status", REASON_INTERNAL));
    _exit(REASON_INTERNAL);
}

/* SPEC_ALLOW: older kernels would slow down the whole process, against attacks by code that we do not run. */
static bool install(struct sock_fprog *program) {
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, program) == 0 ||
           (errno == EINVAL && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program) == 0);
}

static bool filter_calls(struct sandbox_calls may, struct buf *problem) {
    struct sock_filter filter[SANDBOX_FILTER_MAX];
    struct sock_fprog program = {.filter = filter};
    struct sigaction action = {.sa_sigaction = on_denied_call, .sa_flags = SA_SIGINFO};
    sigset_t trap;
    program.len = (unsigned short)sandbox_filter(filter, may);
    sigemptyset(&trap);
    sigaddset(&trap, SIGSYS);
    /* Blocked, or ignored by whoever started it, the signal would end the process without a word. */
    if (sigaction(SIGSYS, &action, NULL) != 0 || sigprocmask(SIG_UNBLOCK, &trap, NULL) != 0)
        return fail(problem, "cannot handle SIGSYS");
    return install(&program) ||
           fail(problem, "this kernel or the container's seccomp profile takes no filter");
}

/* ---- all of it ---- */

struct outcome {
    enum sandbox_mode mode;
    struct buf list;     /* what is in force */
    struct buf *problem; /* the first part that is not, if all are required */
};

/* One part, had or not. */
static void note(struct outcome *o, bool had, const char *part, const struct buf *why) {
    if (had)
        buf_fmt(&o->list, "%s%s", o->list.len > 0 ? ", " : "", part);
    else if (o->mode != SANDBOX_REQUIRE)
        LOG(LOG_WARN, "the sidecar runs without a part of its sandbox", LOG_TEXT("part", part),
            LOG_TEXT("error", why->data));
    else if (o->problem->len == 0)
        buf_fmt(o->problem, "%s: %s", part, why->data);
}

bool sandbox_enter(enum sandbox_mode mode, const struct sandbox_rules *rules, struct buf *problem) {
    char list[128], text[512], landlock[32];
    struct outcome o = {.mode = mode, .list = BUF(list), .problem = problem};
    struct buf why = BUF(text), landlock_name = BUF(landlock);
    if (mode == SANDBOX_OFF) {
        LOG(LOG_INFO, "sandbox", LOG_TEXT("sandbox", "off"));
        return true;
    }
    note(&o, no_new_privileges(&why), "no_new_privs", &why);
    buf_reset(&why);
    note(&o, no_capabilities(&why), "no capabilities", &why);
    buf_reset(&why);
    int abi = sandbox_landlock(rules, &why);
    if (abi > 0)
        buf_fmt(&landlock_name, "landlock abi %d", abi);
    else
        buf_str(&landlock_name, "landlock");
    note(&o, abi > 0, landlock, &why);
    buf_reset(&why);
    const struct sandbox_calls may = {.signal = rules->may_signal, .resolve = rules->may_resolve};
    note(&o, filter_calls(may, &why), "seccomp", &why);
    if (problem->len > 0)
        return false;
    LOG(LOG_INFO, "sandbox", LOG_TEXT("sandbox", o.list.len > 0 ? list : "none"));
    return true;
}
