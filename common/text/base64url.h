/* base64url without padding (RFC 4648 section 5, as RFC 7515 uses it). */
#ifndef POD_IDENTITY_TEXT_BASE64URL_H
#define POD_IDENTITY_TEXT_BASE64URL_H

#include <stddef.h>

#include "common/base/err.h"

/* Bytes that the encoding of n bytes takes, with the closing NUL. */
#define BASE64URL_SIZE(n) ((4 * (n) + 2) / 3 + 1)

/* Strict: no padding, no blanks, no '+' or '/', and the unused bits of the last character are zero.
 * ERR_SYNTAX, or ERR_TOO_LONG if out_cap does not do. *out_len is set on success only. */
enum err base64url_decode(const char *text, size_t len, unsigned char *out, size_t out_cap, size_t *out_len);

/* out takes BASE64URL_SIZE(len) bytes and is NUL-terminated. */
void base64url_encode(const unsigned char *bytes, size_t len, char *out);

#endif
