/* Sessions of TLS that may be resumed, by their id: the latest ones, as many as the storage holds, for an
 * hour. */
#ifndef POD_IDENTITY_SERVE_TLS_SESSIONS_H
#define POD_IDENTITY_SERVE_TLS_SESSIONS_H

#include <bearssl.h>
#include <stdbool.h>

#include "common/serve/tls_identity.h"

/* Of one handshake, as BearSSL's engine has it. */
struct tls_session {
    const br_ssl_session_cache_class *vtable;
    const struct tls_identity *identity; /* that it began with */
    bool resumed;
};

/* len 0: none is resumed. Borrowed. */
void tls_sessions_open(unsigned char *storage, size_t len);
/* All of them: what was agreed on with other certificates, or authorities of clients, is not to be resumed.
 * identity is what is in use from now on. */
void tls_sessions_forget(const struct tls_identity *identity);
void tls_sessions_begin(struct tls_session *session, const struct tls_identity *identity);

#endif
