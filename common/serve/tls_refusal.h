/* Why a handshake ended, for people, and for clients that get no alert, or an unclear one, from BearSSL. */
#ifndef POD_IDENTITY_SERVE_TLS_REFUSAL_H
#define POD_IDENTITY_SERVE_TLS_REFUSAL_H

#include <stddef.h>

/* Of an error of BearSSL, a kind of it: static text, or NULL if there is nothing to tell (an end). */
const char *tls_refusal_text(int error);

/* What to send to a client whose first bytes were no TLS that BearSSL answers: an alert, or an answer for
 * plain HTTP. NULL: nothing. */
const char *tls_refusal_raw(const unsigned char *record, size_t len, size_t *out_len);

/* Where the record that is to be sent is a fatal alert, not encrypted: gives it a version if it has none, and
 * makes "handshake failure" "protocol version" if the client's hello, as far as it is there, has cipher
 * suites of TLS 1.3 only. */
void tls_refusal_clarify(const unsigned char *hello, size_t hello_len, unsigned char *record, size_t len);

#endif
