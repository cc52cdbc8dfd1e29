/* Readings of a text for quote.c: what it says once an encoding is taken off, and where each character of
 * that comes from. */
#ifndef POD_IDENTITY_TEXT_QUOTE_DECODE_H
#define POD_IDENTITY_TEXT_QUOTE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUOTE_LOOKED_AT                                                                                      \
    1024               /* bytes of a text: what is shown, and behind it what may tell a secret's beginning */
#define QUOTE_WINDOW 8 /* so many letters and digits of a secret in a row are it */

struct quote_stream {
    size_t len;
    char c[QUOTE_LOOKED_AT];
    uint16_t from[QUOTE_LOOKED_AT + 1]; /* offset in the text as it came; one more for the end */
};

/* Each is false, with nothing of use in *out, if that reading says nothing new. */

/* Escapes of JSON, C and URLs, and references of XML and HTML. */
bool quote_unescape(const struct quote_stream *in, struct quote_stream *out);
/* Base64 of either alphabet, whatever else stands between; skip, 0 to 3: so many characters are before the
 * first whole group. Only visible characters, at least QUOTE_WINDOW in a row, are of use. */
bool quote_from_base64(const struct quote_stream *in, unsigned skip, struct quote_stream *out);
/* Pairs of hex digits, likewise; skip: 0 or 1. */
bool quote_from_hex(const struct quote_stream *in, unsigned skip, struct quote_stream *out);

#endif
