/* Before a request: whether a proxy takes it, and the addresses of the host that is connected to. Any number
 * of them at once, driven by an event loop or by lookup_wait(). */
#ifndef POD_IDENTITY_HTTP_LOOKUP_H
#define POD_IDENTITY_HTTP_LOOKUP_H

#include "common/http/proxy.h"
#include "common/http/resolver.h"

struct lookup { /* storage of the caller, zeroed once */
    /* To be read once it has ended. */
    enum resolver_state state;
    const char *problem; /* the proxy's variable cannot be used: see proxy_find() */
    struct proxy proxy;
    void *owner;
    /* Private. */
    bool running, needs_name;
    struct lookup *next;
    char host[URI_HOST_MAX];
    uint16_t port;
    struct resolver resolver;
};

/* Once: who watches descriptors. */
void lookup_open(resolver_watch *watch);

/* local: never by a proxy. stream, end_ms: see resolver_start(). ERR_SYNTAX if the URL is none. It never ends
 * at once: lookup_step() is due then. */
enum err lookup_start(struct lookup *l, const char *url, bool local, unsigned char *stream, int64_t end_ms,
                      void *owner);

/* Ends it unasked; harmless if it is not running. */
void lookup_cancel(struct lookup *l);

/* Whether the descriptor is one of a lookup's. */
bool lookup_owns(int fd);

/* When lookup_step() is due without an event; CLOCK_NEVER: none is running. */
int64_t lookup_deadline(void);

/* After an event, or at the deadline: one that has ended with this, or NULL. To be called until it is NULL.
 */
struct lookup *lookup_step(int64_t now_ms);

/* Sleeps until an event of a running lookup, or its deadline. */
void lookup_wait(const struct lookup *l, int64_t now_ms);

/* "+host:port:address,[address]", as curl takes it; nothing where no name was needed. */
void lookup_put_addresses(const struct lookup *l, struct buf *out);

/* "http://host:port" of the proxy; nothing without one. */
void lookup_put_proxy(const struct lookup *l, struct buf *out);

#endif
