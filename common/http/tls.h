/* TLS as libcurl's BearSSL back end speaks it (common/deps/patches/curl-tls.patch): what is offered to a
 * server, whose chain is accepted, and what a failure means. For http.c; knows BearSSL inside only. */
#ifndef POD_IDENTITY_HTTP_TLS_H
#define POD_IDENTITY_HTTP_TLS_H

#include "common/base/buf.h"
#include "common/http/http_result.h"

/* Of one handshake; private. tls.c asserts its size. */
#define TLS_STORAGE 8192
struct tls {
    _Alignas(16) unsigned char storage[TLS_STORAGE];
};

/* Sets up BearSSL's context of a client and the storage of a transfer for one
 * handshake, which may be the proxy's or the server's, one after the other. The chain is kept in `chain`
 * until it has been judged, by the authorities in that file, whose path is borrowed as long. */
void tls_begin(void *client, struct tls *storage, const char *ca_file, unsigned char *chain,
               size_t chain_max);

/* What an error of the engine or of the chain means; more about it is appended to detail. The chain must
 * still be there. */
enum http_result tls_verdict(const struct tls *storage, long error, struct buf *detail);

#endif
