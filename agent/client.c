#include "agent/client.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/keyed_hash.h"
#include "common/base/far.h"

#define SETS 128 /* a node has 110 pods as a rule, and 250 at most */
#define WAYS 8
#define WHOLE 1000 /* thousandths */

FAR static struct client clients[SETS][WAYS];

void client_of(int fd, struct client_address *out) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } peer;
    socklen_t len = sizeof peer;
    memset(out, 0, sizeof *out);
    if (getpeername(fd, &peer.any, &len) != 0)
        return;
    if (peer.any.sa_family == AF_INET6) {
        memcpy(out->bytes, &peer.v6.sin6_addr, 16);
    } else if (peer.any.sa_family == AF_INET) {
        out->bytes[10] = out->bytes[11] = 0xFF;
        memcpy(out->bytes + 12, &peer.v4.sin_addr, 4);
    }
}

bool client_bucket_take(struct client_bucket *b, int64_t mono_ms) {
    int64_t filled = (mono_ms - b->mono_ms) * (CLIENT_RATE * WHOLE / 1000);
    if (mono_ms > b->mono_ms)
        b->spent = filled < (int64_t)b->spent ? b->spent - (uint32_t)filled : 0;
    b->mono_ms = mono_ms;
    if (b->spent + WHOLE > CLIENT_BURST * WHOLE)
        return false;
    b->spent += WHOLE;
    return true;
}

struct client *client_find(const struct client_address *address, int64_t mono_ms) {
    struct keyed_hash hash = keyed_hash('a', address->bytes, sizeof address->bytes);
    struct client *set = clients[keyed_hash_bits(&hash) % SETS], *oldest = NULL;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].used_mono_ms != 0 && memcmp(&set[i].address, address, sizeof *address) == 0) {
            set[i].used_mono_ms = mono_ms;
            return &set[i];
        }
        if (set[i].crowd.waiting == 0 && set[i].kept == 0 &&
            (oldest == NULL || set[i].used_mono_ms < oldest->used_mono_ms))
            oldest = &set[i];
    }
    if (oldest != NULL)
        *oldest = (struct client){.address = *address, .used_mono_ms = mono_ms};
    return oldest;
}
