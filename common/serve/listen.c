#include "common/serve/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LOCK_WAIT_MS 5000 /* it is held for some milliseconds */
#define LOCK_PAUSE_MS 20

/* Connections that wait to be accepted; the kernel caps it at net.core.somaxconn (musl's SOMAXCONN is 128).
 * Over TCP each can hold a receive buffer of unread bytes; on a Unix socket they are the client's. */
#define TCP_BACKLOG 1024
#define UNIX_BACKLOG 4096

static void describe(struct buf *problem, const char *what) {
    int error = errno;
    buf_fmt(problem, "cannot %s: %s (errno %d)", what, strerror(error), error);
}

static int failed(int fd, struct buf *problem, const char *what) {
    describe(problem, what);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* ---- the lock ---- */

/* Held while the place is looked at and taken: two that start together must not both find it free. A file of
 * its own, as a lock on the directory could be held by whoever may read it. */
struct lock {
    char path[LISTEN_PATH_MAX + sizeof ".lock"];
    int fd;
};

static bool write_lock(struct lock *l, int command, struct flock *f) {
    *f = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(l->fd, command, f) == 0;
}

/* Whoever held it before may have removed the file: then this is the lock of nothing. */
static bool is_in_place(const struct lock *l) {
    struct stat here, there;
    return fstat(l->fd, &here) == 0 && lstat(l->path, &there) == 0 && here.st_ino == there.st_ino &&
           here.st_dev == there.st_dev;
}

static bool ended_by_signal(void) {
    sigset_t pending;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

static int lock_refused(struct lock *l, struct buf *problem) {
    struct flock holder;
    buf_fmt(problem, "its lock %s ", l->path);
    if (write_lock(l, F_GETLK, &holder) && holder.l_type != F_UNLCK && holder.l_pid > 0)
        buf_fmt(problem, "is held by process %d", (int)holder.l_pid);
    else
        buf_str(problem, "is held by a process of another container");
    buf_fmt(problem, ", for more than %d s: another sidecar is starting there, or hangs",
            LOCK_WAIT_MS / 1000);
    close(l->fd);
    return -1;
}

static bool cannot_lock(struct lock *l, const char *what, struct buf *problem) {
    l->fd = failed(l->fd, problem, what);
    buf_str(problem, "; mount an emptyDir volume there that this user may write to");
    return false;
}

/* What another user has put in the file's place is removed, where the directory allows that: he could hold
 * its lock. l->fd is negative if it has to be looked at again. */
static bool open_lock(struct lock *l, struct buf *problem) {
    struct stat st;
    l->fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    bool foreign = l->fd < 0 && (errno == ELOOP || errno == EACCES || errno == ENXIO);
    if (l->fd < 0 && !foreign)
        return cannot_lock(l, "make its lock in the socket's directory", problem);
    if (l->fd >= 0 && fstat(l->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
        (st.st_mode & 0077) == 0)
        return true;
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    return unlink(l->path) == 0 || errno == ENOENT ||
           cannot_lock(l, "make its lock in the socket's directory, nor remove what is in its place",
                       problem);
}

/* 0; -1 with problem; LISTEN_INTERRUPTED. */
static int take_lock(const char *path, struct lock *l, struct buf *problem) {
    struct buf name = BUF(l->path);
    struct flock f;
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000};
    buf_fmt(&name, "%s.lock", path);
    for (int waited_ms = 0;; waited_ms += LOCK_PAUSE_MS) {
        if (!open_lock(l, problem))
            return -1;
        if (l->fd >= 0 && write_lock(l, F_SETLK, &f) && is_in_place(l))
            return 0;
        if (l->fd >= 0 && waited_ms >= LOCK_WAIT_MS)
            return lock_refused(l, problem);
        if (l->fd >= 0)
            close(l->fd);
        if (ended_by_signal())
            return LISTEN_INTERRUPTED;
        if (waited_ms >= LOCK_WAIT_MS) {
            buf_fmt(problem, "its lock %s is replaced again and again by somebody else", l->path);
            return -1;
        }
        (void)nanosleep(&pause, NULL);
    }
}

static void drop_lock(const struct lock *l) {
    unlink(l->path);
    close(l->fd);
}

/* ---- the place ---- */

/* Whether the place is free, after a stale socket was removed from it. */
static bool clear_place(const struct sockaddr_un *address, struct buf *problem) {
    struct stat st;
    if (lstat(address->sun_path, &st) != 0) {
        if (errno == ENOENT)
            return true;
        describe(problem, "look at the socket's path");
        return false;
    }
    if (!S_ISSOCK(st.st_mode)) {
        buf_str(problem, "something that is not a socket is there already, and is left alone");
        return false;
    }
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) {
        describe(problem, "make a socket");
        return false;
    }
    int error = connect(probe, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
    bool stale = error == ECONNREFUSED;
    if (error == EAGAIN) {
        buf_str(problem, "another process listens on it, and does not answer: it is not taken from it");
    } else if (error == 0) {
        struct ucred peer = {.pid = 0};
        socklen_t len = sizeof peer;
        (void)getsockopt(probe, SOL_SOCKET, SO_PEERCRED, &peer, &len);
        buf_fmt(problem, "another process answers on it (pid %d, uid %u): it is not taken from it",
                (int)peer.pid, (unsigned)peer.uid);
    } else if (!stale) {
        errno = error;
        describe(problem, "find out who listens on it");
    } else if (unlink(address->sun_path) != 0) {
        stale = false;
        describe(problem, "remove the stale socket");
    }
    close(probe);
    return stale;
}

/* Not by the path: somebody else who may write to the directory could have put a link there. */
static bool set_group(const char *path, gid_t group) {
    struct stat st;
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    errno = ESTALE; /* it was swapped */
    bool ok = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_uid == geteuid() &&
              fchownat(fd, "", (uid_t)-1, group, AT_EMPTY_PATH) == 0;
    int error = errno;
    close(fd);
    errno = error;
    return ok;
}

/* Nobody can connect before it listens, and its mode is right from the first moment. */
static int bind_and_listen(const struct sockaddr_un *address, mode_t mode, gid_t group, struct buf *problem) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(-1, problem, "make a socket");
    mode_t before = umask(~mode & 0777);
    int bound = bind(fd, (const struct sockaddr *)address, sizeof *address);
    umask(before);
    if (bound != 0)
        return failed(fd, problem, "bind to it");
    const char *step = NULL;
    if (group != (gid_t)-1 && !set_group(address->sun_path, group))
        step = "set its group";
    else if (listen(fd, UNIX_BACKLOG) != 0)
        step = "listen on it";
    if (step == NULL)
        return fd;
    (void)failed(fd, problem, step);
    unlink(address->sun_path);
    return -1;
}

int listen_unix(const char *path, mode_t mode, gid_t group, struct buf *problem) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        buf_str(problem, "the path of a Unix socket may have at most 107 bytes");
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    struct lock lock;
    int status = take_lock(path, &lock, problem);
    if (status != 0)
        return status;
    int fd = clear_place(&address, problem) ? bind_and_listen(&address, mode, group, problem) : -1;
    drop_lock(&lock);
    return fd;
}

int listen_tcp(bool ipv6, const unsigned char address[16], uint16_t *port, int hops, struct buf *problem) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(*port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(*port)};
    memcpy(&v4.sin_addr, address, 4);
    memcpy(&v6.sin6_addr, address, 16);
    struct sockaddr *any = ipv6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
    socklen_t len = ipv6 ? sizeof v6 : sizeof v4;
    int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(-1, problem, "make a socket of that address family");
    const int on = 1, send_buffer = LISTEN_SEND_BUFFER, receive_buffer = LISTEN_RECEIVE_BUFFER;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* connections inherit these */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    if (hops > 0)
        (void)setsockopt(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_UNICAST_HOPS : IP_TTL, &hops,
                         sizeof hops);
    if (bind(fd, any, len) != 0)
        return failed(fd, problem, "bind to it");
    if (listen(fd, TCP_BACKLOG) != 0)
        return failed(fd, problem, "listen on it");
    if (getsockname(fd, any, &len) != 0)
        return failed(fd, problem, "read back its address");
    *port = ntohs(ipv6 ? v6.sin6_port : v4.sin_port);
    return fd;
}
