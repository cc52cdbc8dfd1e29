/* Why a handshake ended, for people, and for clients that get no alert, or an unclear one, from BearSSL. */
#ifndef POD_IDENTITY_SERVE_TLS_REFUSAL_H
#define POD_IDENTITY_SERVE_TLS_REFUSAL_H

#include <stddef.h>

/* Of an error of BearSSL, a kind of it: static text, or NULL if there is nothing to tell (an end). */
const char *tls_refusal_text(int error);

/* What to tell a client before anything is encrypted, if BearSSL has told it nothing: an alert, or an answer
 * for plain HTTP. header: of the last record. NULL: nothing. */
const void *tls_refusal_raw(int error, const unsigned char header[5], unsigned char alert[7], size_t *len);

/* Where the record that is to be sent is a fatal alert, not encrypted: gives it a version if it has none, and
 * makes "handshake failure" "protocol version" if the client's hello, as far as it is there, has cipher
 * suites of TLS 1.3 only. */
void tls_refusal_clarify(const unsigned char *hello, size_t hello_len, unsigned char *record, size_t len);

#endif
