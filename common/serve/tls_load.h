/* Reads what a TLS server is given, and judges it as a whole. */
#ifndef POD_IDENTITY_SERVE_TLS_LOAD_H
#define POD_IDENTITY_SERVE_TLS_LOAD_H

#include "common/base/failure.h"
#include "common/serve/tls_identity.h"

/* out is zero. False: f says why, and out has to be wiped. Certificates that are not valid now are taken; the
 * dates say so. */
bool tls_load(const struct tls_server_files *files, struct tls_identity *out, struct failure *f);

/* Wipes what is in use. */
void tls_load_wipe(struct tls_identity *identity);

#endif
