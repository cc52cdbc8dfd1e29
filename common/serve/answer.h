/* An answer as the server writes it. */
#ifndef POD_IDENTITY_SERVE_ANSWER_H
#define POD_IDENTITY_SERVE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/* The bytes of one answer: a head in the two forms that a connection needs, and one body. Borrowed from
 * whoever rendered them. */
struct answer {
    const char *keep, *close; /* status line and headers, without and with "Connection: close" */
    size_t keep_len, close_len;
    const char *body;
    size_t body_len;
    int status;
};

/* What is left to be written after `sent` bytes: of the head, then of the body. Returns the number of bytes.
 */
size_t answer_rest(const struct answer *a, bool close, bool with_body, size_t sent, struct iovec out[2]);

#endif
