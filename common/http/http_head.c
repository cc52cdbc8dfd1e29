#include "common/http/http_head.h"

#include <string.h>

#include "common/base/timefmt.h"
#include "common/http/http_header.h"

/* What an answer before the last one said (100, 103) does not count. */
static void begin_answer(struct http_head *h, struct http_response *r) {
    h->lengths = 0;
    h->whole = false;
    r->retry_after_ms = r->date_s = 0;
    memset(&r->who, 0, sizeof r->who);
}

/* Only digits: of "2, 5" libcurl would take the beginning. */
static void take_length(struct http_head *h, const char *value, size_t len) {
    enum { DIGITS_MAX = 18 }; /* with more, libcurl would go by the end of the connection instead */
    h->not_http = ++h->lengths > 1 || len == 0;
    for (size_t i = 0; i < len; i++)
        h->not_http = h->not_http || value[i] < '0' || value[i] > '9';
    h->too_large = h->too_large || len > DIGITS_MAX;
}

bool http_head_take(struct http_head *h, const char *line, size_t len, struct http_response *r) {
    size_t value_len;
    h->len += len;
    h->too_large = h->len > HTTP_HEADERS_MAX;
    if (len > 5 && memcmp(line, "HTTP/", 5) == 0)
        begin_answer(h, r);
    h->whole = h->whole || (len == 1 && line[0] == '\n') || (len == 2 && memcmp(line, "\r\n", 2) == 0);
    const char *value = http_header_value(line, len, "Content-Length", &value_len);
    if (value != NULL)
        take_length(h, value, value_len);
    if (h->too_large || h->not_http)
        return false;
    value = http_header_value(line, len, "Retry-After", &value_len);
    if (value != NULL)
        r->retry_after_ms = http_retry_after_ms(value, value_len);
    value = http_header_value(line, len, "Date", &value_len);
    if (value != NULL && time_parse_http(value, value_len, &r->date_s) != ERR_OK)
        r->date_s = 0;
    http_header_who(line, len, &r->who);
    return true;
}
