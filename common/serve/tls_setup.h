/* The profile of a TLS server: what it offers to its clients. */
#ifndef POD_IDENTITY_SERVE_TLS_SETUP_H
#define POD_IDENTITY_SERVE_TLS_SETUP_H

#include <bearssl.h>

#include "common/serve/tls_identity.h"

/* A context that is ready for br_ssl_server_reset(), but for its buffers, its cache, and the judge of a
 * client's chain. identity stays for the handshake. */
void tls_setup(br_ssl_server_context *context, const struct tls_identity *identity);

#endif
