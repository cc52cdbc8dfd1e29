/* The request parser for listeners whose requests may have bodies: Content-Length and chunked. As the other,
 * it is free of I/O. */
#ifndef POD_IDENTITY_SERVE_REQUEST_BODY_H
#define POD_IDENTITY_SERVE_REQUEST_BODY_H

#include "common/serve/request_head.h"

#define REQUEST_CHUNK_LINE_MAX 256 /* of a line that begins a chunk, with its extensions */

/* What extras->headers are then, and their places in request.extras. */
#define REQUEST_BODY_HEADERS                                                                                 \
    {                                                                                                        \
        {"content-length", true}, {"transfer-encoding", true}, {                                             \
            "expect", false                                                                                  \
        }                                                                                                    \
    }
enum { REQUEST_BODY_LENGTH, REQUEST_BODY_CODING, REQUEST_BODY_EXPECT };

#define REQUEST_BODY_PREFIX 512 /* of a body that is dropped: who asks can be told apart by it */

/* As request_feed(), for requests that may have bodies. After REQUEST_BODY r->body.bytes is to be set to room
 * for extras->body_kept bytes, or for REQUEST_BODY_PREFIX if r->body.dropped is set, and the next call may
 * have no bytes. */
enum request_status request_body_feed(struct request *r, const struct request_extras *extras,
                                      const char *bytes, size_t len, size_t *used);

/* Whether the client waits for a "100 Continue" before it sends its body. */
bool request_body_expected(const struct request *r);

#endif
