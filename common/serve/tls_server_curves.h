/* The curves that a TLS server computes with: P-256 and X25519, for which BearSSL has fast code. No others,
 * which take ten times as long: clients choose, and all of them have one of these. */
#ifndef POD_IDENTITY_SERVE_TLS_SERVER_CURVES_H
#define POD_IDENTITY_SERVE_TLS_SERVER_CURVES_H

#include <bearssl.h>

extern const br_ec_impl tls_server_curves;

#endif
