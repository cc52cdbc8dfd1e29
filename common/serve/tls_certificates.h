/* The certificates of a PEM file, one by one, for a server's own chain and for the authorities of its
 * clients. */
#ifndef POD_IDENTITY_SERVE_TLS_CERTIFICATES_H
#define POD_IDENTITY_SERVE_TLS_CERTIFICATES_H

#include "common/base/failure.h"
#include "common/serve/tls_identity.h"

/* Each reads a file into *out. False: f says why. */
bool tls_certificates_chain(const char *path, struct tls_identity *out, struct failure *f);
bool tls_certificates_authorities(const char *path, struct tls_identity *out, struct failure *f);

#endif
