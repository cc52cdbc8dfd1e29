#include "common/sandbox/sandbox_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#ifndef SANDBOX_FILTER_NUMBERS /* the unit tests build it for the other architecture too, with its numbers   \
                                */
#include <sys/syscall.h>
#ifdef __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif
#endif

#define X32_BIT 0x40000000U

/* Allowed whatever the arguments. The ones of every round first. */
static const uint16_t allowed[] = {
    __NR_epoll_pwait,
    __NR_read,
    __NR_write,
    __NR_readv,
    __NR_writev,
    __NR_recvfrom,
    __NR_accept4,
    __NR_close,
    __NR_epoll_ctl,
    __NR_shutdown,
    __NR_setsockopt,
    __NR_getsockopt,
    __NR_getsockname,
    __NR_getpeername,
    __NR_clock_gettime,
    /* upstream: connections and name resolution */
    __NR_connect,
    __NR_recvmsg,
    __NR_ppoll,
    __NR_pselect6,
    __NR_eventfd2,
    __NR_pipe2,
    __NR_futex,
    __NR_nanosleep,
    __NR_clock_nanosleep,
    __NR_exit,
    __NR_exit_group,
    __NR_restart_syscall,
    /* memory, signals, itself */
    __NR_munmap,
    __NR_mremap,
    __NR_brk,
    __NR_madvise,
    __NR_rt_sigprocmask,
    __NR_rt_sigaction,
    __NR_rt_sigreturn,
    __NR_getpid,
    __NR_getuid,
    __NR_geteuid,
    __NR_getgid,
    __NR_getegid,
    __NR_getrandom,
    __NR_getgroups,
    __NR_gettimeofday,
    /* files, where Landlock allows: the token read, the sinks replaced */
    __NR_openat,
    __NR_lseek,
    __NR_pread64,
    __NR_fstat,
    __NR_newfstatat,
    __NR_getdents64,
    __NR_readlinkat,
    __NR_faccessat,
    __NR_unlinkat,
    __NR_renameat,
    __NR_fchmod,
    __NR_fchown,
    __NR_fsync,
    __NR_ftruncate,
    /* watches */
    __NR_timerfd_settime,
    __NR_inotify_init1,
    __NR_inotify_add_watch,
    __NR_inotify_rm_watch,
#if ARCHITECTURE == AUDIT_ARCH_X86_64
    __NR_epoll_wait,
    __NR_poll,
    __NR_open,
    __NR_stat,
    __NR_lstat,
    __NR_readlink,
    __NR_access,
    __NR_unlink,
    __NR_rename,
#endif
};

/* By a descriptor, which cannot come to mean another process: pidfd_send_signal and pidfd_open, whose numbers
 * headers of the build may not know yet. */
static const uint16_t signalling[] = {424, 434};

/* Nothing is bound after the start: datagrams from outside would be taken. As Landlock answers for TCP. */
static const uint16_t refused = __NR_bind;

/* There for kernels or C libraries of another age: "no such call" makes the caller take the older one. */
static const uint16_t unknown[] = {
    __NR_clone3, __NR_statx, __NR_membarrier, __NR_rseq, __NR_faccessat2, __NR_renameat2, __NR_epoll_pwait2,
};

static struct sock_filter *emit(struct sock_filter *at, uint16_t code, uint32_t k, uint8_t yes, uint8_t no) {
    *at = (struct sock_filter){.code = code, .jt = yes, .jf = no, .k = k};
    return at + 1;
}

static struct sock_filter *load(struct sock_filter *at, size_t offset) {
    return emit(at, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static struct sock_filter *result(struct sock_filter *at, uint32_t value) {
    return emit(at, BPF_RET | BPF_K, value, 0, 0);
}

#define EQUAL (BPF_JMP | BPF_JEQ | BPF_K)
#define ABOVE (BPF_JMP | BPF_JGT | BPF_K)
#define ANY_BIT (BPF_JMP | BPF_JSET | BPF_K)
/* The low half of an argument; both architectures are little-endian. */
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + 8 * (n))

/* Each of these is a block that ends in a result, and is skipped unless the loaded number is that call. */

static struct sock_filter *no_bits(struct sock_filter *at, uint32_t call, size_t argument, uint32_t bits) {
    at = emit(at, EQUAL, call, 0, 4);
    at = load(at, argument);
    at = emit(at, ANY_BIT, bits, 0, 1);
    at = result(at, SECCOMP_RET_TRAP);
    return result(at, SECCOMP_RET_ALLOW);
}

/* F_DUPFD to F_SETFL: not the owners of descriptors, who get signals. */
static struct sock_filter *fcntl_commands(struct sock_filter *at) {
    at = emit(at, EQUAL, __NR_fcntl, 0, 4);
    at = load(at, ARGUMENT(1));
    at = emit(at, ABOVE, F_SETFL, 0, 1);
    at = result(at, SECCOMP_RET_TRAP);
    return result(at, SECCOMP_RET_ALLOW);
}

/* Of the type that is loaded, with the protocol that is its own and no other: MPTCP, SCTP and SMC are
 * streams, too, to which Landlock's rules for TCP ports do not apply. Ends in a result unless it is another
 * type. */
static struct sock_filter *plain(struct sock_filter *at, uint32_t type, uint32_t protocol) {
    at = emit(at, EQUAL, type, 0, 5);
    at = load(at, ARGUMENT(2));
    at = emit(at, EQUAL, 0, 2, 0);
    at = emit(at, EQUAL, protocol, 1, 0);
    at = result(at, SECCOMP_RET_ERRNO | EPROTONOSUPPORT);
    return result(at, SECCOMP_RET_ALLOW);
}

/* Datagrams go to any port: only where DNS must be asked. */
static struct sock_filter *socket_kinds(struct sock_filter *at, bool may_resolve) {
    at = emit(at, EQUAL, __NR_socket, 0, may_resolve ? 19 : 13);
    at = load(at, ARGUMENT(0));
    at = emit(at, EQUAL, AF_INET, 2, 0);
    at = emit(at, EQUAL, AF_INET6, 1, 0);
    at = result(at, SECCOMP_RET_ERRNO | EAFNOSUPPORT);
    at = load(at, ARGUMENT(1));
    at = emit(at, BPF_ALU | BPF_AND | BPF_K, 0xF, 0, 0);
    at = plain(at, SOCK_STREAM, IPPROTO_TCP);
    if (may_resolve)
        at = plain(at, SOCK_DGRAM, IPPROTO_UDP);
    return result(at, SECCOMP_RET_ERRNO | EPROTONOSUPPORT);
}

static struct sock_filter *listed(struct sock_filter *at, const uint16_t *calls, size_t count,
                                  uint32_t value) {
    for (size_t i = 0; i < count; i++)
        at = emit(at, EQUAL, calls[i], (uint8_t)(count - 1 - i), i + 1 < count ? 0 : 1);
    return result(at, value);
}

size_t sandbox_filter(struct sock_filter *out, struct sandbox_calls may) {
    struct sock_filter *at = load(out, offsetof(struct seccomp_data, arch));
    at = emit(at, EQUAL, ARCHITECTURE, 1, 0);
    at = result(at, SECCOMP_RET_KILL_PROCESS);
    at = load(at, offsetof(struct seccomp_data, nr));
    at = emit(at, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
    at = result(at, SECCOMP_RET_KILL_PROCESS);
    /* With that flag, data opens a connection, without a call of connect() that Landlock would see. */
    at = no_bits(at, __NR_sendmsg, ARGUMENT(2), MSG_FASTOPEN);
    at = no_bits(at, __NR_sendto, ARGUMENT(3), MSG_FASTOPEN);
    at = listed(at, allowed, sizeof allowed / sizeof *allowed, SECCOMP_RET_ALLOW);
    at = no_bits(at, __NR_mmap, ARGUMENT(2), PROT_EXEC);
    at = no_bits(at, __NR_mprotect, ARGUMENT(2), PROT_EXEC);
    at = fcntl_commands(at);
    at = socket_kinds(at, may.resolve);
    if (may.signal)
        at = listed(at, signalling, sizeof signalling / sizeof *signalling, SECCOMP_RET_ALLOW);
    at = listed(at, &refused, 1, SECCOMP_RET_ERRNO | EACCES);
    at = listed(at, unknown, sizeof unknown / sizeof *unknown, SECCOMP_RET_ERRNO | ENOSYS);
    at = result(at, SECCOMP_RET_TRAP);
    return (size_t)(at - out);
}
