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

static void ask_peer(int fd, struct client_address *out) {
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

const struct client_address *client_address_of(struct connection *c) {
    FAR static struct client_address addresses[CLIENT_PLACES];
    struct client_address *address = &addresses[connections_number(c)];
    if (!c->known)
        ask_peer(c->watch.fd, address);
    c->known = true;
    return address;
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

static bool same(const struct client_address *a, const struct client_address *b) {
    uint64_t x[2], y[2];
    memcpy(x, a->bytes, sizeof x);
    memcpy(y, b->bytes, sizeof y);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

struct client *client_find(const struct client_address *address, int64_t mono_ms) {
    struct client *set = clients[keyed_hash_place(address->bytes, sizeof address->bytes) % SETS];
    struct client *oldest = NULL;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].used_mono_ms != 0 && same(&set[i].address, address)) {
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
