/* Both ends of connections over loopback, for the tests of servers: unit tests and fuzz targets. */
#ifndef POD_IDENTITY_TESTS_LOOPBACK_H
#define POD_IDENTITY_TESTS_LOOPBACK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/serve/listen.h"
#include "common/serve/server.h"

/* On a port that the kernel chooses. */
static inline bool loopback_listen(struct server_listener *listener, uint16_t *port) {
    static const unsigned char address[16] = {127, 0, 0, 1};
    char text[512];
    struct buf problem = BUF(text);
    *port = 0;
    int fd = listen_tcp(false, address, port, 1, &problem);
    if (fd < 0)
        fprintf(stderr, "%s\n", text);
    return fd >= 0 && server_listen(listener, fd);
}

/* A client's end, or -1. room: how much it takes before somebody reads, in bytes (the kernel doubles it), so
 * that a server meets one that is full; 0 leaves it to the kernel. */
static inline int loopback_dial(int domain, int type, const void *address, socklen_t len, int room) {
    int fd = socket(domain, type | SOCK_CLOEXEC, 0);
    if (room > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (connect(fd, address, len) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline int loopback_tcp(uint16_t port, int room) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return loopback_dial(AF_INET, SOCK_STREAM, &address, sizeof address, room);
}

/* Waits for no place behind those who have not been accepted. */
static inline int loopback_unix(const char *path, int room) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return loopback_dial(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, &address, sizeof address, room);
}

/* Its end will leave no TIME_WAIT: for those who dial thousands of times. */
static inline void loopback_leave_nothing(int fd) {
    const struct linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

#endif
