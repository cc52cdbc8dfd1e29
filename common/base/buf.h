/* A bounded text builder over storage that the caller owns.
 *
 * Appending never writes past the capacity: what does not fit is dropped whole and `overflow` sticks, so a
 * caller appends freely and asks once, at the end. The content is always NUL-terminated (the NUL is not
 * counted in len, but needs its byte of the capacity), and may hold NULs of its own only if buf_put() put
 * them there. */
#ifndef POD_IDENTITY_BASE_BUF_H
#define POD_IDENTITY_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;    /* borrowed; never NULL after buf_init() */
    size_t len;    /* bytes in use, without the closing NUL */
    size_t cap;    /* bytes of storage, at least 1 */
    bool overflow; /* something did not fit: the content is not complete */
};

/* A builder for a fixed array, in one expression: struct buf b = BUF(array); */
#define BUF(array) buf_over((array), sizeof(array))

/* cap must be at least 1. */
struct buf buf_over(char *storage, size_t cap);
void buf_reset(struct buf *b);
/* Overwrites what is in use, and resets. Not the rest of the storage: touching it would make it resident. */
void buf_wipe(struct buf *b);

void buf_put(struct buf *b, const void *bytes, size_t len);
void buf_str(struct buf *b, const char *text);
void buf_char(struct buf *b, char c);
void buf_u64(struct buf *b, uint64_t n);
void buf_i64(struct buf *b, int64_t n);
void buf_fmt(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The length of the valid UTF-8 sequence at text, of which `left` (at least 1) bytes are there; 0: it is
 * none. Overlong forms and surrogates are not valid. */
size_t buf_utf8_len(const char *text, size_t left);
/* A JSON string literal with its quotes. Bytes that are not valid UTF-8 become U+FFFD, so that the result is
 * always valid JSON. */
void buf_json(struct buf *b, const char *text, size_t len);
/* Text of unknown origin made fit for one line of a message: control bytes and bytes above ASCII become '?',
 * and what goes over max bytes is replaced by three dots. For logs and errors only, where losing the tail is
 * the aim. */
void buf_printable(struct buf *b, const char *text, size_t len, size_t max);

#endif
