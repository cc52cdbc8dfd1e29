#include "agent/addresses.h"

#include <errno.h>
#include <string.h>

#include "agent/probes.h"
#include "common/base/log.h"
#include "common/serve/listen.h"

static struct {
    int fd; /* one more than the descriptor: 0 is none */
    int error;
} bound[FLAGS_HOSTS_MAX];

static void explain_taken(uint16_t port, int error, struct buf *problem) {
    if (error == EADDRINUSE)
        buf_fmt(problem,
                "; another process of this node has it: the EKS Pod Identity Agent, or what listens on all "
                "addresses "
                "(ss -ltnp 'sport = :%u' on the node shows it). It is tried again each second",
                (unsigned)port);
    if (error == EACCES)
        buf_str(problem,
                "; the container needs the capability NET_BIND_SERVICE. It is tried again each second");
}

static void failed(const struct settings *s, size_t i, int error, struct buf *problem) {
    const char *host = s->hosts[i].text;
    bool absent = error == EADDRNOTAVAIL || error == EAFNOSUPPORT;
    bool told = bound[i].error == error;
    explain_taken(s->port, error, problem);
    probes_set(i, absent ? PROBES_ABSENT : PROBES_TAKEN, problem->data);
    bound[i].error = error;
    if (told)
        return;
    if (absent)
        LOG(LOG_WARN, "this node does not have that address: it is not listened on",
            LOG_TEXT("address", host), LOG_TEXT("error", problem->data));
    else
        LOG(LOG_ERROR, "cannot listen on an address of this node", LOG_TEXT("address", host),
            LOG_NUMBER("port", s->port), LOG_TEXT("error", problem->data));
}

bool addresses_bind(const struct settings *s) {
    size_t have = 0, taken = 0;
    for (size_t i = 0; i < s->host_count; i++) {
        char text[PROBES_DETAIL_MAX];
        struct buf problem = BUF(text);
        uint16_t port = s->port;
        if (bound[i].fd == 0) {
            /* Hops as the system has them: on its way to a pod of this node an answer may lose some (Cilium).
             */
            int fd = listen_tcp(s->hosts[i].ipv6, s->hosts[i].address, &port, 0, &problem);
            int error = errno;
            bound[i].fd = fd + 1;
            if (fd < 0)
                failed(s, i, error, &problem);
        }
        have += bound[i].fd != 0;
        taken += bound[i].fd == 0 && bound[i].error != EADDRNOTAVAIL && bound[i].error != EAFNOSUPPORT;
    }
    return have > 0 && taken == 0;
}

int addresses_take(size_t i) {
    int fd = bound[i].fd - 1;
    if (fd >= 0)
        probes_set(i, PROBES_BOUND, NULL);
    bound[i].fd = 0;
    return fd;
}
