/* The HTTP/1 request parser: strict, incremental, fed any number of bytes at a time, and free of I/O and
 * allocation.
 *
 * It keeps only what the server decides on. What RFC 9112 lets a server refuse is refused: bare LF, folded
 * lines, blanks before a colon, transfer codings but chunked, repeated Host, Authorization or Content-Length,
 * and bodies, but an empty chunked one (request_body.h is for those that have them). */
#ifndef POD_IDENTITY_SERVE_REQUEST_H
#define POD_IDENTITY_SERVE_REQUEST_H

#include "common/serve/request_head.h"

/* Makes it ready for the first byte of a request. Wipes what was there. */
void request_reset(struct request *r);

/* Takes bytes; *used says how many. extras is borrowed until the next reset, and the same for all of a
 * request; NULL: none. After REQUEST_DONE or REQUEST_BAD
 * the next call needs request_reset() first. */
enum request_status request_feed(struct request *r, const struct request_extras *extras, const char *bytes,
                                 size_t len, size_t *used);

/* Goes on with the request in another place: *to, reset, whose room is as large, gets all that *from has
 * taken, and *from is reset. */
void request_move(struct request *from, struct request *to);

/* Whether any byte was taken since the reset: the parser has something to remember. */
bool request_begun(const struct request *r);

#endif
