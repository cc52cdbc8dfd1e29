/* A test build of the sidecar that tries, from inside the sandbox, what it must not be able to do; the
 * shipped program does not contain this file.
 *
 * TEST_SANDBOX_TRY holds names of attempts, with commas between. They are made when the loop would begin, and
 * each leaves one line on standard output, "NAME: ok" or "NAME: errno N". Then the loop runs.
 *
 * Linked with --wrap=loop_run. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/serve/loop.h"

void __real_loop_run(void);
void __wrap_loop_run(void);

static long try_exec(void) {
    char *argv[] = {"/bin/true", NULL}, *none[] = {NULL};
    return execve(argv[0], argv, none);
}

static long try_fork(void) {
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid;
}

static long open_only(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd;
}

static long try_passwd(void) {
    return open_only("/etc/passwd", O_RDONLY);
}

static long try_program(void) {
    return open_only("/proc/self/mem", O_RDWR);
}

static long try_write(void) {
    return open_only(getenv("TEST_SANDBOX_FILE"), O_WRONLY | O_CREAT);
}

static long try_truncate(void) {
    return open_only(getenv("TEST_SANDBOX_FILE"), O_WRONLY | O_TRUNC);
}

static long try_unlink(void) {
    return unlink(getenv("TEST_SANDBOX_FILE"));
}

static long socket_only(int family, int type) {
    int fd = socket(family, type, 0);
    if (fd >= 0)
        close(fd);
    return fd;
}

static long try_unix(void) {
    return socket_only(AF_UNIX, SOCK_STREAM);
}

static long try_netlink(void) {
    return socket_only(AF_NETLINK, SOCK_RAW);
}

static long try_packet(void) {
    return socket_only(AF_PACKET, SOCK_RAW);
}

static long try_raw(void) {
    return socket_only(AF_INET, SOCK_RAW);
}

static long try_udp(void) {
    return socket_only(AF_INET6, SOCK_DGRAM);
}

static long tcp(int (*what)(int, const struct sockaddr *, socklen_t), uint16_t port) {
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    long result = fd < 0 ? -1 : what(fd, (const struct sockaddr *)&a, sizeof a);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

static long try_bind(void) {
    return tcp(bind, 0);
}

static long try_connect(void) {
    return tcp(connect, 1);
}

static long try_listen(void) {
    return listen(3, 1);
}

static long try_ptrace(void) {
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long try_kill(void) {
    return kill(1, 0);
}

static long try_code(void) {
    void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? -1 : 0;
}

static long try_protect(void) {
    static char page[8192];
    return mprotect((void *)(((uintptr_t)page + 4095) & ~(uintptr_t)4095), 4096, PROT_READ | PROT_EXEC);
}

static long try_dumpable(void) {
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long try_io_uring(void) {
    return syscall(SYS_io_uring_setup, 1, NULL);
}

static long try_clone3(void) {
    return syscall(SYS_clone3, NULL, 0);
}

static void *nothing(void *context) {
    return context;
}

static long try_thread(void) {
    pthread_t thread;
    int error = pthread_create(&thread, NULL, nothing, NULL);
    if (error == 0)
        error = pthread_join(thread, NULL);
    errno = error;
    return error == 0 ? 0 : -1;
}

static struct sockaddr_in elsewhere(void) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(1), .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

/* To a port that is not upstream's, by something other than connect() on a TCP socket. */
static long send_by(int type, int protocol, int flags) {
    struct sockaddr_in a = elsewhere();
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return -1;
    long sent = sendto(fd, "x", 1, flags | MSG_NOSIGNAL, (const struct sockaddr *)&a, sizeof a);
    int error = errno;
    close(fd);
    errno = error;
    return sent;
}

static long try_datagram(void) {
    return send_by(SOCK_DGRAM, 0, 0);
}

static long try_fastopen(void) {
    return send_by(SOCK_STREAM, 0, MSG_FASTOPEN);
}

static long try_fastopen_message(void) {
    struct sockaddr_in a = elsewhere();
    struct iovec data = {.iov_base = "x", .iov_len = 1};
    struct msghdr message = {.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &data, .msg_iovlen = 1};
    return sendmsg(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), &message, MSG_FASTOPEN | MSG_NOSIGNAL);
}

static long protocol_only(int type, int protocol) {
    int fd = socket(AF_INET, type, protocol);
    if (fd >= 0)
        close(fd);
    return fd;
}

static long try_mptcp(void) {
    return protocol_only(SOCK_STREAM, 262);
}

static long try_sctp(void) {
    return protocol_only(SOCK_STREAM, 132);
}

static long try_ping(void) {
    return protocol_only(SOCK_DGRAM, IPPROTO_ICMP);
}

static long try_tkill(void) {
    return syscall(SYS_tkill, getpid(), 33);
}

static const struct {
    const char *name;
    long (*make)(void);
} attempts[] = {
    {"exec", try_exec},         {"fork", try_fork},
    {"passwd", try_passwd},     {"program", try_program},
    {"write", try_write},       {"truncate", try_truncate},
    {"unlink", try_unlink},     {"unix", try_unix},
    {"netlink", try_netlink},   {"packet", try_packet},
    {"raw", try_raw},           {"udp", try_udp},
    {"bind", try_bind},         {"connect", try_connect},
    {"listen", try_listen},     {"ptrace", try_ptrace},
    {"kill", try_kill},         {"code", try_code},
    {"protect", try_protect},   {"dumpable", try_dumpable},
    {"io_uring", try_io_uring}, {"clone3", try_clone3},
    {"thread", try_thread},     {"datagram", try_datagram},
    {"fastopen", try_fastopen}, {"fastopen_message", try_fastopen_message},
    {"mptcp", try_mptcp},       {"sctp", try_sctp},
    {"ping", try_ping},         {"tkill", try_tkill},
};

static void attempt(const char *name) {
    char line[128];
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        if (strcmp(attempts[i].name, name) != 0)
            continue;
        errno = 0;
        long result = attempts[i].make();
        int len = result >= 0 ? snprintf(line, sizeof line, "%s: ok\n", name)
                              : snprintf(line, sizeof line, "%s: errno %d\n", name, errno);
        if (write(STDOUT_FILENO, line, (size_t)len) != len)
            _exit(99);
    }
}

void __wrap_loop_run(void) {
    char *list = getenv("TEST_SANDBOX_TRY");
    for (char *name = list != NULL ? strtok(list, ",") : NULL; name != NULL; name = strtok(NULL, ","))
        attempt(name);
    __real_loop_run();
}
