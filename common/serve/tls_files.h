/* What a TLS server is given: files, and what is told about their certificates. */
#ifndef POD_IDENTITY_SERVE_TLS_FILES_H
#define POD_IDENTITY_SERVE_TLS_FILES_H

#include <stdint.h>

struct tls_server_files {
    const char *certificate; /* PEM: the server's own first, then those that have signed it */
    const char *key;         /* PEM, not encrypted; EC P-256 or RSA 2048 */
    const char *client_ca;   /* PEM; NULL: clients need no certificate */
};

/* Of the certificates in use, in seconds since 1970. */
struct tls_server_dates {
    int64_t from_s, until_s;   /* of the chain: the latest beginning, the earliest end */
    int64_t client_ca_until_s; /* the earliest end; 0 without a client CA */
};

#endif
