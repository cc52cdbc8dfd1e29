/* The part of the request parser that reads bodies, for listeners that want them: struct request_extras names
 * it, so that other programs do without it. As the rest of the parser, it is free of I/O. */
#ifndef POD_IDENTITY_SERVE_REQUEST_BODY_H
#define POD_IDENTITY_SERVE_REQUEST_BODY_H

#include "common/serve/request_head.h"

#define REQUEST_CHUNK_LINE_MAX 256 /* of a line that begins a chunk, with its extensions */

struct request_body {
    /* Content-Length has come: its digits are in r->value. */
    enum request_status (*length)(struct request *r);
    /* The head is whole: REQUEST_DONE if there is no body, REQUEST_BODY if one follows. */
    enum request_status (*begins)(struct request *r);
    /* Behind the head: takes bytes, as request_feed(). */
    enum request_status (*feed)(struct request *r, const char *bytes, size_t len, size_t *used);
};

extern const struct request_body request_body;

#endif
