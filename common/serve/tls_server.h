/* The server's side of TLS 1.2, as the transport of a listener: BearSSL's engine, which does no I/O of its
 * own. There is one for the process: all listeners that name tls_server_transport share its certificate.
 *
 * ECDHE (P-256, X25519) and AEAD only; no renegotiation; sessions are resumed by their id, for an hour. A
 * handshake counts as a request that is not whole: its limits are those of a connection that has said
 * nothing. In one round of the loop one step of a handshake is computed; others wait for the next. */
#ifndef POD_IDENTITY_SERVE_TLS_SERVER_H
#define POD_IDENTITY_SERVE_TLS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/failure.h"
#include "common/serve/tls_files.h"
#include "common/serve/tls_room.h"
#include "common/serve/transport.h"

#define TLS_SERVER_SESSION 100 /* bytes that a session takes in the storage for those that may be resumed */

struct tls_server_storage {
    struct tls_room *rooms; /* zero, static (FAR): as many as there are places, so that none is wanting */
    size_t room_count;
    unsigned char *sessions; /* for example 64 * TLS_SERVER_SESSION */
    size_t sessions_len;
};

struct tls_server_counts {
    uint64_t handshakes; /* whole ones, resumed ones among them */
    uint64_t resumed;
    uint64_t failed; /* handshakes that ended in an error or alert, not those that were cut off */
};

/* Once, before the first connection. The storage is borrowed. */
void tls_server_open(const struct tls_server_storage *storage);

enum tls_server_loaded {
    TLS_SERVER_LOADED,  /* new connections get it; those that are open go on */
    TLS_SERVER_REFUSED, /* f says why; what was there before is used on */
    TLS_SERVER_LATER    /* handshakes of two earlier ones are still under way: again in a second */
};

/* Reads the files, and uses them from now on: at the start and after each change. Also without
 * tls_server_open(), which is how they are checked. Dates in the past or the future are no reason to refuse
 * them: a warning is logged, and tls_server_dates() has them. */
enum tls_server_loaded tls_server_load(const struct tls_server_files *files, struct failure *f);

/* False before the first load. */
bool tls_server_dates(struct tls_server_dates *out);
struct tls_server_counts tls_server_counts(void);

/* Wipes keys and sessions; behind server_close(). */
void tls_server_close(void);

extern const struct server_transport tls_server_transport;

#endif
