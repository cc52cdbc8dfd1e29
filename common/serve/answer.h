/* An answer as the server writes it. */
#ifndef POD_IDENTITY_SERVE_ANSWER_H
#define POD_IDENTITY_SERVE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define ANSWER_PIECES 32 /* that are written at once */

/* The bytes of one answer: a head in the two forms that a connection needs, and one body; or, where they lie
 * in pieces, whoever knows these. Borrowed from whoever rendered them. */
struct answer {
    const char *keep, *close; /* status line and headers, without and with "Connection: close" */
    const char *body;         /* in one piece, or NULL if `pieces` is set */
    /* Or all of it, from byte `from` on: fills in up to `max` pieces, and returns how many; there may be more
     * behind them. 0: there is nothing left. */
    size_t (*pieces)(const struct answer *a, bool close, bool with_body, size_t from, struct iovec *out,
                     size_t max);
    uint32_t body_len;
    uint16_t keep_len, close_len;
    int16_t status;
};

/* What is to be written next, after `sent` bytes: of the head, then of the body. *count pieces; 0 if all has
 * been sent. */
void answer_rest(const struct answer *a, bool close, bool with_body, size_t sent,
                 struct iovec out[ANSWER_PIECES], size_t *count);

/* What stands behind the status in the first line, as Go's net/http has it: the node agent's answers are
 * those of a program in Go. "Error" for a status that no server of ours has. */
const char *answer_phrase(int status);

#endif
