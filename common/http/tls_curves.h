/* The curves that TLS is spoken with: P-256, for which BearSSL has fast code, X25519 with the code that it
 * shares with the others, P-384 and P-521. */
#ifndef POD_IDENTITY_HTTP_TLS_CURVES_H
#define POD_IDENTITY_HTTP_TLS_CURVES_H

#include <bearssl.h>

extern const br_ec_impl tls_curves;

#endif
