/* The judge of a client's chain: BearSSL's, with a bound on what a stranger can have computed, and with
 * extended key usage. */
#ifndef POD_IDENTITY_SERVE_TLS_CLIENT_H
#define POD_IDENTITY_SERVE_TLS_CLIENT_H

#include <bearssl.h>

#include "common/serve/tls_identity.h"

#define TLS_CLIENT_CHAIN_MAX 4          /* certificates that a client sends; usually 1 or 2 */
#define TLS_CLIENT_CERTIFICATE_MAX 4096 /* bytes of each */

/* Errors beside BearSSL's, in the place that it leaves free. */
enum { TLS_NOT_FOR_CLIENTS = 64, TLS_CLIENT_CHAIN_TOO_LONG };

struct tls_client {
    const br_x509_class *vtable;
    br_x509_minimal_context minimal;
    unsigned count;
    bool too_long;
    size_t own_len;
    unsigned char own[TLS_CLIENT_CERTIFICATE_MAX]; /* the client's own certificate */
};

/* identity has authorities, and stays for the handshake. */
void tls_client_begin(struct tls_client *client, const struct tls_identity *identity);
void tls_client_wipe(struct tls_client *client);

#endif
