/* What a TLS server knows of one connection. */
#ifndef POD_IDENTITY_SERVE_TLS_LINK_H
#define POD_IDENTITY_SERVE_TLS_LINK_H

#include <bearssl.h>

#include "common/base/owner.h"
#include "common/serve/connections.h"
#include "common/serve/tls_client.h"
#include "common/serve/tls_sessions.h"

#define TLS_HEADER 5             /* bytes of a record, before what it holds */
#define TLS_IN_MAX (16384 + 325) /* a whole record, as BearSSL computes it */
#define TLS_OUT_MAX (4096 + 85)

struct tls_link {
    struct server_link link;
    struct connection *connection;
    struct tls_link *next;         /* of those that have bytes for which no event will come */
    struct tls_identity *identity; /* until the handshake is done */
    bool taken, started, done, ended;
    bool judges;    /* `client` is in use */
    bool waits;     /* in that list */
    bool blocked;   /* the descriptor is watched for room to write */
    size_t in_used; /* bytes of `in` that were ever used */
    struct tls_session session;
    br_ssl_server_context context;
    unsigned char out[TLS_OUT_MAX];
    unsigned char in[TLS_IN_MAX];
    struct tls_client client;
};
static inline struct tls_link *tls_link_of(const struct connection *c) {
    return OWNER(c->link, struct tls_link, link);
}

/* Whether it has bytes of the client that nobody has taken. */
static inline bool tls_link_has_bytes(const struct tls_link *l) {
    size_t len;
    return br_ssl_engine_recvapp_buf(&l->context.eng, &len) != NULL;
}

/* Whether its buffers hold nothing that is still needed, of either direction. */
static inline bool tls_link_is_empty(const struct tls_link *l) {
    size_t len;
    return !tls_link_has_bytes(l) && br_ssl_engine_sendrec_buf(&l->context.eng, &len) == NULL &&
           br_ssl_engine_recvrec_buf(&l->context.eng, &len) == l->in;
}

#endif
