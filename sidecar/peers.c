#include "sidecar/peers.h"

#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59 /* Linux 4.13; musl has it, the C library that unit tests run under may not */
#endif

#define GROUPS_MAX                                                                                           \
    256 /* more than Kubernetes gives; a process with more is known by its primary group only */

static const struct config *config;

void peers_open(const struct config *given) {
    config = given;
}

static bool uid_listed(uid_t uid) {
    for (size_t i = 0; i < config->allow_uid_count; i++) {
        if (config->allow_uid[i] == uid)
            return true;
    }
    return uid == geteuid();
}

static bool in_group(int fd, const struct ucred *peer) {
    gid_t groups[GROUPS_MAX];
    socklen_t len = sizeof groups;
    if (config->socket_group == (gid_t)-1)
        return false;
    if (peer->gid == config->socket_group)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
        return false;
    for (size_t i = 0; i < len / sizeof groups[0]; i++) {
        if (groups[i] == config->socket_group)
            return true;
    }
    return false;
}

bool peers_allowed(int fd) {
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (config->allow_uid_count == 0 && config->socket_group == (gid_t)-1)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return false;
    return uid_listed(peer.uid) || in_group(fd, &peer);
}
