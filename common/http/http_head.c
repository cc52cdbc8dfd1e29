#include "common/http/http_head.h"

#include <string.h>
#include <strings.h>

#include "common/base/timefmt.h"
#include "common/http/http_header.h"
#include "common/text/quote.h"

#define SEPARATORS "\"(),/;<=>?@[\\]{}" /* none of them is in a header's name: RFC 9110 5.6.2 */

static bool is_number(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
    }
    return len > 0;
}

/* A line of an answer to a request of ours is HTTP/1.0 or 1.1. The blank behind the status may be missing
 * with the words behind it; three digits it has. */
static bool is_status_line(const char *line, size_t len) {
    return len >= 12 && memcmp(line, "HTTP/1.", 7) == 0 && (line[7] == '0' || line[7] == '1') &&
           line[8] == ' ' && is_number(line + 9, 3) && line[9] != '0' && (len == 12 || line[12] == ' ');
}

/* A name, and no blank around it: no line that goes on from the one above (RFC 9112 5.1, 5.2). */
static bool is_header(const char *line, size_t len) {
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c == ':')
            return i > 0;
        if (c <= ' ' || c > '~' || strchr(SEPARATORS, c) != NULL)
            return false;
    }
    return false;
}

static bool has_control(const char *line, size_t len) {
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)line[i];
        if ((c < ' ' && c != '\t') || c == 0x7F)
            return true;
    }
    return false;
}

/* What an answer before the last one said (100, 103) does not count. */
static void begin_answer(struct http_head *h, const char *line, struct http_response *r) {
    h->framings = 0;
    h->whole = false;
    h->interim = line[9] == '1' && memcmp(line + 9, "101", 3) != 0;
    h->old = line[7] == '0';
    r->retry_after_ms = r->date_s = 0;
    memset(&r->who, 0, sizeof r->who);
}

/* Where the body ends must be said once: whoever on the way believed another of two sees another answer. */
static const char *judge_framing(struct http_head *h, const char *line, size_t len) {
    enum { DIGITS_MAX = 18 }; /* with more, libcurl would go by the end of the connection instead */
    size_t value_len;
    const char *length = http_header_value(line, len, "Content-Length", &value_len),
               *value =
                   length != NULL ? length : http_header_value(line, len, "Transfer-Encoding", &value_len);
    if (value == NULL)
        return NULL;
    if (h->framings++ > 0)
        return "Content-Length or Transfer-Encoding is not its only one: ";
    if (length != NULL) {
        h->too_large = value_len > DIGITS_MAX;
        return is_number(value, value_len) ? NULL : "no length: ";
    }
    bool chunked = !h->old && value_len == 7 && strncasecmp(value, "chunked", 7) == 0;
    return chunked ? NULL : "an encoding that was not asked for: ";
}

/* NULL: nothing is wrong with it. */
static const char *judge(struct http_head *h, const char *line, size_t len, struct http_response *r) {
    if (h->len > 0 && !(h->whole && h->interim)) {
        if (len == 0)
            h->whole = true;
        else if (has_control(line, len) || !is_header(line, len))
            return "no header line: ";
        return judge_framing(h, line, len);
    }
    if (!is_status_line(line, len) || has_control(line, len))
        return "no status line: ";
    begin_answer(h, line, r);
    return NULL;
}

static void take_header(const char *line, size_t len, struct http_response *r) {
    size_t value_len;
    const char *value = http_header_value(line, len, "Retry-After", &value_len);
    if (value != NULL)
        r->retry_after_ms = http_retry_after_ms(value, value_len);
    value = http_header_value(line, len, "Date", &value_len);
    if (value != NULL && time_parse_http(value, value_len, &r->date_s) != ERR_OK)
        r->date_s = 0;
    http_header_who(line, len, &r->who);
}

bool http_head_take(struct http_head *h, const char *line, size_t len, struct http_response *r) {
    enum { QUOTED_MAX = 60 };
    size_t text = len;
    if (text > 0 && line[text - 1] == '\n')
        text--;
    if (text > 0 && text < len && line[text - 1] == '\r')
        text--;
    const char *why = judge(h, line, text, r);
    h->len += len;
    h->too_large = h->too_large || h->len > HTTP_HEADERS_MAX;
    h->not_http = why != NULL;
    if (why != NULL) {
        struct buf detail = BUF(r->detail);
        buf_str(&detail, why);
        quote_text(&detail, line, text, QUOTED_MAX);
    } else if (!h->whole) /* what comes behind the body (a trailer) is not obeyed */
        take_header(line, text, r);
    return why == NULL && !h->too_large;
}
