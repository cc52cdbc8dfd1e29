#include "common/http/http_head.h"

#include <string.h>

#include "common/base/timefmt.h"
#include "common/http/http_header.h"

/* What an answer before the last one said (100, 103) does not count. */
static void begin_answer(struct http_head *h, struct http_response *r) {
    h->lengths = 0;
    r->retry_after_ms = r->date_s = 0;
    memset(&r->who, 0, sizeof r->who);
}

bool http_head_take(struct http_head *h, const char *line, size_t len, struct http_response *r) {
    size_t value_len;
    h->len += len;
    h->too_large = h->len > HTTP_HEADERS_MAX;
    if (len > 5 && memcmp(line, "HTTP/", 5) == 0)
        begin_answer(h, r);
    if (http_header_value(line, len, "Content-Length", &value_len) != NULL)
        h->not_http = ++h->lengths > 1;
    if (h->too_large || h->not_http)
        return false;
    const char *value = http_header_value(line, len, "Retry-After", &value_len);
    if (value != NULL)
        r->retry_after_ms = http_retry_after_ms(value, value_len);
    value = http_header_value(line, len, "Date", &value_len);
    if (value != NULL && time_parse_http(value, value_len, &r->date_s) != ERR_OK)
        r->date_s = 0;
    http_header_who(line, len, &r->who);
    return true;
}
