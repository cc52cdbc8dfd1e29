/* What a TLS server shows to its clients, and by whom it knows them: certificates, key and authorities, read
 * from files and judged as a whole. */
#ifndef POD_IDENTITY_SERVE_TLS_IDENTITY_H
#define POD_IDENTITY_SERVE_TLS_IDENTITY_H

#include <bearssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/http/ca_anchor.h"
#include "common/serve/tls_files.h"

#define TLS_IDENTITY_CHAIN_MAX 6 /* certificates; usually 1 to 3 */
#define TLS_IDENTITY_DER_MAX 16384
#define TLS_IDENTITY_AUTHORITIES_MAX 8
#define TLS_IDENTITY_NAMES_MAX 2048 /* bytes of the authorities' names in all */
#define TLS_IDENTITY_FILE_MAX 65536 /* bytes of a file with certificates */
#define TLS_IDENTITY_KEY_FILE_MAX 16384

struct tls_identity {
    unsigned users; /* handshakes that need it; the caller's */
    struct tls_server_dates dates;
    br_x509_certificate chain[TLS_IDENTITY_CHAIN_MAX];
    size_t chain_len;
    br_skey_decoder_context key; /* holds it */
    bool ec;                     /* else RSA */
    br_x509_trust_anchor authorities[TLS_IDENTITY_AUTHORITIES_MAX];
    size_t authority_count; /* 0: clients need no certificate */
    struct ca_anchor authority_keys[TLS_IDENTITY_AUTHORITIES_MAX];
    size_t names_len, der_len;
    unsigned char names[TLS_IDENTITY_NAMES_MAX];
    unsigned char der[TLS_IDENTITY_DER_MAX]; /* of the chain */
};

#endif
