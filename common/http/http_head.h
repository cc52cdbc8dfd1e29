/* What the header lines of an answer say. */
#ifndef POD_IDENTITY_HTTP_HTTP_HEAD_H
#define POD_IDENTITY_HTTP_HTTP_HEAD_H

#include "common/http/http_result.h"

#define HTTP_HEADERS_MAX 16384 /* all header lines of an answer together; servers send under 1 kB */

/* Zero it for each answer. */
struct http_head {
    size_t len;        /* of all lines so far */
    unsigned framings; /* Content-Length and Transfer-Encoding lines of the answer */
    bool whole;        /* its empty line has come */
    bool interim, old; /* another answer follows (100, 103); it is HTTP/1.0 */
    bool too_large, not_http;
};

/* Takes one line, the status line, a header, the empty one or a trailer, into *out: retry_after_ms, date_s,
 * who. False if the answer cannot be taken: over HTTP_HEADERS_MAX, or not as RFC 9112 has it, and then
 * out->detail quotes the line. Length and encoding must leave no doubt where the body ends, as somebody on
 * the way may have believed the other: one of them, once, a number or "chunked". */
bool http_head_take(struct http_head *head, const char *line, size_t len, struct http_response *out);

#endif
