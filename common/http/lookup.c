#include "common/http/lookup.h"

#include <arpa/inet.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/environment.h"
#include "common/base/scratch.h"
#include "common/base/wipe.h"

static resolver_watch *watch_hook;
static struct lookup *running;

void lookup_open(resolver_watch *watch) {
    watch_hook = watch;
    running = NULL;
}

/* RFC 6761: names below localhost are loopback, which libcurl knows by itself. */
static bool is_name(enum uri_host kind, const char *host) {
    size_t len = strlen(host);
    return kind == URI_HOST_NAME && !(len > 10 && strcmp(host + len - 10, ".localhost") == 0);
}

enum err lookup_start(struct lookup *l, const char *url, bool local, unsigned char *stream, int64_t end_ms,
                      void *owner) {
    SCRATCH static struct uri uri;
    lookup_cancel(l);
    if (uri_parse(url, &uri) != ERR_OK)
        return ERR_SYNTAX;
    l->state = RESOLVER_FOUND;
    l->owner = owner;
    l->proxy.variable = l->problem = NULL;
    if (!local && proxy_find(environment, &uri, &l->proxy, &l->problem) == ERR_OK)
        l->problem = NULL;
    bool proxied = l->proxy.variable != NULL;
    memcpy(l->host, proxied ? l->proxy.host : uri.host, sizeof l->host);
    l->port = proxied ? l->proxy.port : uri.port;
    l->needs_name = l->problem == NULL && is_name(proxied ? l->proxy.kind : uri.kind, l->host);
    if (l->needs_name && !resolver_start(&l->resolver, l->host, watch_hook, stream, end_ms))
        return ERR_SYNTAX;
    l->running = true;
    l->next = running;
    running = l;
    return ERR_OK;
}

static void leave(struct lookup *l) {
    struct lookup **at = &running;
    while (*at != NULL && *at != l)
        at = &(*at)->next;
    if (*at == l)
        *at = l->next;
    l->running = false;
}

void lookup_cancel(struct lookup *l) {
    if (l->running && l->needs_name)
        resolver_stop(&l->resolver);
    if (l->running)
        leave(l);
    wipe(l->proxy.authorization, strlen(l->proxy.authorization));
}

bool lookup_owns(int fd) {
    for (const struct lookup *l = running; l != NULL; l = l->next) {
        for (size_t i = 0; l->needs_name && i < RESOLVER_SOCKETS; i++) {
            if (l->resolver.fds[i] == fd)
                return true;
        }
    }
    return false;
}

int64_t lookup_deadline(void) {
    int64_t next = CLOCK_NEVER;
    for (const struct lookup *l = running; l != NULL; l = l->next) {
        int64_t own = l->needs_name ? l->resolver.deadline_ms : 0;
        next = own < next ? own : next;
    }
    return next;
}

/* All are stepped, whatever the event was: there are few, and a step without news costs next to nothing. */
struct lookup *lookup_step(int64_t now_ms) {
    for (struct lookup *l = running; l != NULL; l = l->next) {
        if (l->needs_name)
            l->state = resolver_step(&l->resolver, now_ms);
        if (l->state != RESOLVER_WORKING) {
            leave(l);
            return l;
        }
    }
    return NULL;
}

void lookup_wait(const struct lookup *l, int64_t now_ms) {
    struct pollfd fds[RESOLVER_SOCKETS];
    if (!l->needs_name)
        return;
    for (size_t i = 0; i < RESOLVER_SOCKETS; i++) {
        bool writing = i == RESOLVER_SOCKETS - 1 && l->resolver.tcp_writing;
        fds[i] = (struct pollfd){.fd = l->resolver.fds[i], .events = writing ? POLLOUT : POLLIN};
    }
    (void)poll(fds, RESOLVER_SOCKETS, (int)clock_until(l->resolver.deadline_ms, now_ms, INT_MAX));
}

void lookup_put_addresses(const struct lookup *l, struct buf *out) {
    char text[INET6_ADDRSTRLEN];
    if (!l->needs_name)
        return;
    buf_fmt(out, "+%s:%u:", l->host, (unsigned)l->port);
    for (size_t i = 0; i < l->resolver.found.count; i++) {
        const struct dns_address *a = &l->resolver.found.list[i];
        (void)inet_ntop(a->ipv6 ? AF_INET6 : AF_INET, a->bytes, text, sizeof text);
        buf_fmt(out, a->ipv6 ? "%s[%s]" : "%s%s", i > 0 ? "," : "", text);
    }
}

void lookup_put_proxy(const struct lookup *l, struct buf *out) {
    bool ipv6 = strchr(l->proxy.host, ':') != NULL;
    if (l->proxy.variable != NULL)
        buf_fmt(out, ipv6 ? "http://[%s]:%u" : "http://%s:%u", l->proxy.host, (unsigned)l->proxy.port);
}
