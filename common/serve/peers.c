#include "common/serve/peers.h"

#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59 /* Linux 4.13; musl has it, the C library that unit tests run under may not */
#endif

#define GROUPS_MAX                                                                                           \
    256 /* more than Kubernetes gives; a process with more is known by its primary group only */

static bool user_listed(const struct peers *peers, uid_t uid) {
    for (size_t i = 0; i < peers->user_count; i++) {
        if (peers->users[i] == uid)
            return true;
    }
    return uid == geteuid();
}

static bool in_group(const struct peers *peers, int fd, const struct ucred *peer) {
    gid_t groups[GROUPS_MAX];
    socklen_t len = sizeof groups;
    if (peers->group == (gid_t)-1)
        return false;
    if (peer->gid == peers->group)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
        return false;
    for (size_t i = 0; i < len / sizeof groups[0]; i++) {
        if (groups[i] == peers->group)
            return true;
    }
    return false;
}

static bool peer_of(int fd, struct ucred *peer) {
    socklen_t len = sizeof *peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &len) == 0;
}

uid_t peers_user(int fd) {
    struct ucred peer;
    return peer_of(fd, &peer) ? peer.uid : (uid_t)-1;
}

bool peers_allowed(const struct peers *peers, int fd) {
    struct ucred peer;
    if (peers->user_count == 0 && peers->group == (gid_t)-1)
        return true;
    return peer_of(fd, &peer) && (user_listed(peers, peer.uid) || in_group(peers, fd, &peer));
}
