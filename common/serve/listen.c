#include "common/serve/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

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

/* Held while the place is looked at and taken: two sidecars that start together must not both find it free.
 */
static int lock_directory(const char *path, struct buf *problem) {
    char directory[LISTEN_PATH_MAX];
    struct buf d = BUF(directory);
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        buf_char(&d, '.');
    else
        buf_put(&d, path, slash == path ? 1 : (size_t)(slash - path));
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX) != 0) {
        (void)failed(fd, problem, "use the socket's directory");
        buf_str(problem, "; mount an emptyDir volume there that this user may write to");
        return -1;
    }
    return fd;
}

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
        buf_str(problem, "something that is no socket is there already, and is left alone");
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

static int bind_and_listen(const struct sockaddr_un *address, mode_t mode, gid_t group, struct buf *problem) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(-1, problem, "make a socket");
    mode_t before = umask(0177); /* nobody else may connect until mode and group are what was asked for */
    int bound = bind(fd, (const struct sockaddr *)address, sizeof *address);
    umask(before);
    if (bound != 0)
        return failed(fd, problem, "bind to it");
    const char *step = NULL;
    if (group != (gid_t)-1 && chown(address->sun_path, (uid_t)-1, group) != 0)
        step = "set its group";
    else if (chmod(address->sun_path, mode) != 0)
        step = "set its mode";
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
    int lock = lock_directory(path, problem);
    if (lock < 0)
        return -1;
    int fd = clear_place(&address, problem) ? bind_and_listen(&address, mode, group, problem) : -1;
    close(lock);
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
