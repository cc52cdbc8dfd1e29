/* The seccomp filter of both architectures, run by a small interpreter of BPF, and Landlock's masks by ABI.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "common/sandbox/sandbox_filter.h"
#include "common/sandbox/sandbox_landlock.h"

size_t sandbox_filter_arm64(struct sock_filter *out, struct sandbox_calls may);

static struct sock_filter program[SANDBOX_FILTER_MAX];
static size_t length;
static uint32_t architecture;

static struct sandbox_calls may(bool signal) {
    return (struct sandbox_calls){.signal = signal, .resolve = true};
}

static void build_native(bool may_signal) {
    architecture = AUDIT_ARCH_X86_64;
    length = sandbox_filter(program, may(may_signal));
    assert_in_range(length, 1, SANDBOX_FILTER_MAX);
}

static void build_arm64(bool may_signal) {
    architecture = AUDIT_ARCH_AARCH64;
    length = sandbox_filter_arm64(program, may(may_signal));
    assert_in_range(length, 1, SANDBOX_FILTER_MAX);
}

/* As the kernel would; a jump out of the program, or an instruction that it does not have, fails the test. */
static uint32_t run(const struct seccomp_data *data) {
    uint32_t a = 0;
    for (size_t pc = 0;; pc++) {
        assert_in_range(pc, 0, length - 1);
        const struct sock_filter *i = &program[pc];
        switch (i->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            assert_in_range(i->k, 0, sizeof *data - 4);
            assert_int_equal(i->k % 4, 0);
            memcpy(&a, (const char *)data + i->k, 4);
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= i->k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            pc += a == i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            pc += a > i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            pc += a >= i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JSET | BPF_K:
            pc += (a & i->k) != 0 ? i->jt : i->jf;
            break;
        case BPF_RET | BPF_K:
            return i->k;
        default:
            fail_msg("instruction %zu has code %#x", pc, (unsigned)i->code);
        }
    }
}

static uint32_t call4(int nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3) {
    const struct seccomp_data data = {.nr = nr, .arch = architecture, .args = {a0, a1, a2, a3}};
    return run(&data);
}

static uint32_t call(int nr, uint64_t a0, uint64_t a1, uint64_t a2) {
    return call4(nr, a0, a1, a2, 0);
}

#define ALLOW SECCOMP_RET_ALLOW
#define TRAP SECCOMP_RET_TRAP
#define ERROR(e) (SECCOMP_RET_ERRNO | (e))

/* Numbers by architecture: amd64, arm64; -1: there is none. */
struct expected {
    int amd64, arm64;
    uint64_t args[3];
    uint32_t result;
};

static const struct expected table[] = {
    {SYS_read, 63, {0}, ALLOW},
    {SYS_write, 64, {0}, ALLOW},
    {SYS_epoll_pwait, 22, {0}, ALLOW},
    {SYS_epoll_wait, -1, {0}, ALLOW},
    {SYS_accept4, 242, {0}, ALLOW},
    {SYS_openat, 56, {0}, ALLOW},
    {SYS_open, -1, {0}, ALLOW},
    {SYS_renameat, 38, {0}, ALLOW},
    {SYS_futex, 98, {0}, ALLOW},
    {SYS_exit_group, 94, {0}, ALLOW},
    {SYS_rt_sigreturn, 139, {0}, ALLOW},
    {SYS_ppoll, 73, {0}, ALLOW},
    {SYS_newfstatat, 79, {0}, ALLOW},
    {SYS_socket, 198, {AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK}, ALLOW},
    {SYS_socket, 198, {AF_INET6, SOCK_DGRAM}, ALLOW},
    {SYS_socket, 198, {AF_UNIX, SOCK_STREAM}, ERROR(EAFNOSUPPORT)},
    {SYS_socket, 198, {AF_NETLINK, SOCK_RAW}, ERROR(EAFNOSUPPORT)},
    {SYS_socket, 198, {AF_PACKET, SOCK_RAW}, ERROR(EAFNOSUPPORT)},
    {SYS_socket, 198, {AF_INET, SOCK_RAW}, ERROR(EPROTONOSUPPORT)},
    {SYS_mmap, 222, {0, 4096, PROT_READ | PROT_WRITE}, ALLOW},
    {SYS_mmap, 222, {0, 4096, PROT_READ | PROT_EXEC}, TRAP},
    {SYS_mprotect, 226, {0, 4096, PROT_NONE}, ALLOW},
    {SYS_mprotect, 226, {0, 4096, PROT_EXEC}, TRAP},
    {SYS_socket, 198, {AF_INET, SOCK_STREAM, IPPROTO_TCP}, ALLOW},
    {SYS_socket, 198, {AF_INET6, SOCK_STREAM, 262 /* MPTCP */}, ERROR(EPROTONOSUPPORT)},
    {SYS_socket, 198, {AF_INET, SOCK_STREAM, 132 /* SCTP */}, ERROR(EPROTONOSUPPORT)},
    {SYS_socket, 198, {AF_INET, SOCK_STREAM, 256 /* SMC */}, ERROR(EPROTONOSUPPORT)},
    {SYS_socket, 198, {AF_INET, SOCK_DGRAM, IPPROTO_UDP}, ALLOW},
    {SYS_socket, 198, {AF_INET, SOCK_DGRAM, IPPROTO_ICMP}, ERROR(EPROTONOSUPPORT)},
    {SYS_socket, 198, {AF_INET, SOCK_DGRAM, 136 /* UDP-Lite */}, ERROR(EPROTONOSUPPORT)},
    {SYS_bind, 200, {3}, ERROR(EACCES)},
    {SYS_sendmsg, 211, {3, 0, MSG_NOSIGNAL}, ALLOW},
    {SYS_sendmsg, 211, {3, 0, MSG_NOSIGNAL | MSG_FASTOPEN}, TRAP},
    {SYS_sendmmsg, 269, {3}, TRAP},
    {SYS_clone, 220, {0x7d0f00}, TRAP}, /* a thread */
    {SYS_clone, 220, {SIGCHLD}, TRAP},
    {SYS_clone, 220, {0x7d0f00 | 0x10000000}, TRAP}, /* a new user namespace */
    {SYS_clone3, 435, {0}, ERROR(ENOSYS)},
    {SYS_statx, 291, {0}, ERROR(ENOSYS)},
    {SYS_fcntl, 25, {3, 4 /* F_SETFL */}, ALLOW},
    {SYS_fcntl, 25, {3, 8 /* F_SETOWN */}, TRAP},
    {SYS_tkill, 130, {1, 33}, TRAP},
    {SYS_tkill, 130, {1, SIGKILL}, TRAP},
    {SYS_fork, -1, {0}, TRAP},
    {SYS_vfork, -1, {0}, TRAP},
    {SYS_execve, 221, {0}, TRAP},
    {SYS_execveat, 281, {0}, TRAP},
    {SYS_ptrace, 117, {0}, TRAP},
    {SYS_process_vm_readv, 270, {0}, TRAP},
    {SYS_process_vm_writev, 271, {0}, TRAP},
    {SYS_open_by_handle_at, 265, {0}, TRAP},
    {SYS_bpf, 280, {0}, TRAP},
    {SYS_userfaultfd, 282, {0}, TRAP},
    {SYS_io_uring_setup, 425, {0}, TRAP},
    {SYS_mount, 40, {0}, TRAP},
    {SYS_unshare, 97, {0}, TRAP},
    {SYS_setns, 268, {0}, TRAP},
    {SYS_setuid, 146, {0}, TRAP},
    {SYS_prctl, 167, {4, 1}, TRAP},
    {SYS_listen, 201, {0}, TRAP},
    {SYS_socketpair, 199, {AF_UNIX}, TRAP},
    {SYS_fchmodat, 53, {0}, TRAP},
    {SYS_linkat, 37, {0}, TRAP},
    {SYS_symlinkat, 36, {0}, TRAP},
    {SYS_kill, 129, {1, 9}, TRAP},
    {0xFFFF, 0xFFFF, {0}, TRAP},
};

static void check_table(bool arm64) {
    for (size_t i = 0; i < COUNT(table); i++) {
        const struct expected *e = &table[i];
        int nr = arm64 ? e->arm64 : e->amd64;
        if (nr < 0)
            continue;
        uint32_t result = call(nr, e->args[0], e->args[1], e->args[2]);
        if (result != e->result)
            fail_msg("%s call %d (row %zu): %#x, expected %#x", arm64 ? "arm64" : "amd64", nr, i, result,
                     e->result);
    }
}

static void test_filter(void **state) {
    (void)state;
    build_native(false);
    check_table(false);
    build_arm64(false);
    check_table(true);
}

static void test_signals_only_to_notify(void **state) {
    (void)state;
    static const int pidfd[] = {424, 434}; /* send_signal and open: the same everywhere */
    for (int may = 0; may < 2; may++) {
        for (size_t i = 0; i < COUNT(pidfd); i++) {
            build_native(may);
            assert_int_equal(call(pidfd[i], 1, 1, 0), may ? ALLOW : TRAP);
            assert_int_equal(call(SYS_kill, 1, 1, 0), TRAP);
            assert_int_equal(call(SYS_execve, 0, 0, 0), TRAP);
            build_arm64(may);
            assert_int_equal(call(pidfd[i], 1, 1, 0), may ? ALLOW : TRAP);
            assert_int_equal(call(129, 1, 1, 0), TRAP);
            assert_int_equal(call(221, 0, 0, 0), TRAP);
        }
    }
}

/* An agent is asked at an address: nothing is sent but to its TCP port. */
static void test_datagrams_only_to_resolve(void **state) {
    (void)state;
    for (int arm64 = 0; arm64 < 2; arm64++) {
        int nr = arm64 ? 198 : SYS_socket;
        architecture = arm64 ? AUDIT_ARCH_AARCH64 : AUDIT_ARCH_X86_64;
        length = arm64 ? sandbox_filter_arm64(program, (struct sandbox_calls){0})
                       : sandbox_filter(program, (struct sandbox_calls){0});
        assert_int_equal(call(nr, AF_INET, SOCK_DGRAM, 0), ERROR(EPROTONOSUPPORT));
        assert_int_equal(call(nr, AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP), ERROR(EPROTONOSUPPORT));
        assert_int_equal(call(nr, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ALLOW);
        assert_int_equal(call(nr, AF_INET, SOCK_STREAM, 262), ERROR(EPROTONOSUPPORT));
        assert_int_equal(call(nr, AF_UNIX, SOCK_DGRAM, 0), ERROR(EAFNOSUPPORT));
        assert_int_equal(call(arm64 ? 129 : SYS_kill, 1, 9, 0), TRAP);
    }
}

static void test_no_connection_by_data(void **state) {
    (void)state;
    build_native(false);
    assert_int_equal(call4(SYS_sendto, 3, 0, 1, MSG_NOSIGNAL), ALLOW);
    assert_int_equal(call4(SYS_sendto, 3, 0, 1, MSG_NOSIGNAL | MSG_FASTOPEN), TRAP);
    build_arm64(false);
    assert_int_equal(call4(206, 3, 0, 1, MSG_NOSIGNAL), ALLOW);
    assert_int_equal(call4(206, 3, 0, 1, MSG_FASTOPEN), TRAP);
}

static void test_other_architectures_die(void **state) {
    (void)state;
    build_native(false);
    architecture = AUDIT_ARCH_I386;
    assert_int_equal(call(SYS_read, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
    architecture = AUDIT_ARCH_X86_64;
    assert_int_equal(call((int)(0x40000000U | SYS_read), 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
    assert_int_equal(call(-1, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
    build_arm64(false);
    architecture = AUDIT_ARCH_ARM;
    assert_int_equal(call(63, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
}

/* The upper halves of arguments cannot smuggle anything in: the kernel takes all of these as 32 bits, or the
 * bits above mean nothing to it. */
static void test_lower_halves_decide(void **state) {
    (void)state;
    build_native(false);
    assert_int_equal(call(SYS_mmap, 0, 4096, (1ULL << 32) | PROT_EXEC), TRAP);
    assert_int_equal(call(SYS_socket, (1ULL << 32) | AF_UNIX, SOCK_STREAM, 0), ERROR(EAFNOSUPPORT));
}

static void test_masks_by_abi(void **state) {
    (void)state;
    struct sandbox_rules any = {0}, ports = {.ports = {80}, .port_count = 1, .may_signal = true};
    static const uint64_t files[] = {0, 0x1FFF, 0x3FFF, 0x7FFF, 0x7FFF, 0xFFFF, 0xFFFF, 0xFFFF};
    for (int abi = 1; abi <= 7; abi++) {
        struct sandbox_masks m = sandbox_landlock_masks(abi, &any);
        assert_int_equal(m.files, files[abi]);
        assert_int_equal(m.ports, abi >= 4 ? 1 : 0);
        assert_int_equal(m.scopes, abi >= 6 ? 3 : 0);
        m = sandbox_landlock_masks(abi, &ports);
        assert_int_equal(m.files, files[abi]);
        assert_int_equal(m.ports, abi >= 4 ? 3 : 0);
        assert_int_equal(m.scopes, abi >= 6 ? 1 : 0);
    }
}

/* A rule with a right that the ruleset does not handle, or a directory's right for a file, is EINVAL. */
static void test_rights(void **state) {
    (void)state;
    enum { WRITE = 2, READ = 4, READ_DIR = 8, REMOVE = 0x20, MAKE = 0x100, TRUNCATE = 0x4000 };
    assert_int_equal(sandbox_landlock_rights(SANDBOX_READ, 0xFFFF, true), READ | READ_DIR);
    assert_int_equal(sandbox_landlock_rights(SANDBOX_READ, 0xFFFF, false), READ);
    assert_int_equal(sandbox_landlock_rights(SANDBOX_READ_BESIDE, 0x1FFF, true), READ | READ_DIR);
    assert_int_equal(sandbox_landlock_rights(SANDBOX_WRITE_BESIDE, 0x3FFF, true),
                     WRITE | READ | READ_DIR | REMOVE | MAKE);
    assert_int_equal(sandbox_landlock_rights(SANDBOX_WRITE_BESIDE, 0xFFFF, true),
                     WRITE | READ | READ_DIR | REMOVE | MAKE | TRUNCATE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_signals_only_to_notify),
        cmocka_unit_test(test_datagrams_only_to_resolve),
        cmocka_unit_test(test_no_connection_by_data),
        cmocka_unit_test(test_other_architectures_die),
        cmocka_unit_test(test_lower_halves_decide),
        cmocka_unit_test(test_masks_by_abi),
        cmocka_unit_test(test_rights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
