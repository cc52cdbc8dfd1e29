#include "common/serve/request_body.h"

#include <string.h>

#include "common/base/wipe.h"
#include "common/serve/request.h"
#include "common/serve/request_field.h"
#include "common/serve/request_text.h"

enum state {
    DATA = REQUEST_STATE_BODY, /* of a body whose length is known */
    SIZE,                      /* the number that begins a chunk */
    EXTENSION,                 /* behind it, up to the end of the line */
    SIZE_LF,
    CHUNK,
    CHUNK_CR, /* behind a chunk */
    CHUNK_LF,
    TRAILER, /* the first byte of a line behind the last chunk */
    TRAILER_LINE,
    TRAILER_LF,
    END_LF
};

static enum request_status too_large(struct request *r) {
    return request_refuse(r, 413, "the body has more bytes than are read here");
}

static enum request_status take_length(struct request *r, const char *text) {
    size_t digits = strspn(text, "0123456789");
    uint64_t n = 0;
    if (digits == 0 || text[digits] != '\0')
        return request_refuse(r, 400, "Content-Length is not a number");
    for (text += strspn(text, "0"); *text != '\0' && n <= r->wanted->body_read; text++)
        n = n * 10 + (uint64_t)(*text - '0');
    if (n > r->wanted->body_read)
        return too_large(r);
    r->body_left = (uint32_t)n;
    r->body.dropped = n > r->wanted->body_kept;
    r->state = DATA;
    return n > 0 ? REQUEST_BODY : REQUEST_DONE;
}

/* The head is whole. What has both lengths is how requests are smuggled. */
static enum request_status begin(struct request *r) {
    bool has_length = r->extras[REQUEST_BODY_LENGTH].present, coded = r->extras[REQUEST_BODY_CODING].present;
    if (coded && (has_length || r->http_1_0))
        return request_refuse(r, 400, "a transfer coding beside Content-Length, or in HTTP/1.0");
    if (coded && strcasecmp(r->extras[REQUEST_BODY_CODING].value, "chunked") != 0)
        return request_refuse(r, 501, "no transfer coding but chunked is known here");
    if (has_length)
        return take_length(r, r->extras[REQUEST_BODY_LENGTH].value);
    r->at = 0;
    r->state = SIZE;
    return coded ? REQUEST_BODY : REQUEST_DONE;
}

bool request_body_expected(const struct request *r) {
    return !r->http_1_0 && has_word(r->extras[REQUEST_BODY_EXPECT].value, "100-continue");
}

/* What is too long for its room was only found out now. */
static void drop(struct request *r) {
    if (r->body.len > REQUEST_BODY_PREFIX) {
        wipe(r->body.bytes + REQUEST_BODY_PREFIX, r->body.len - REQUEST_BODY_PREFIX);
        r->body.len = REQUEST_BODY_PREFIX;
    }
    r->body.dropped = true;
}

static size_t take_data(struct request *r, const char *bytes, size_t len) {
    size_t n = len < r->body_left ? len : r->body_left;
    if (!r->body.dropped && n > r->wanted->body_kept - r->body.len)
        drop(r);
    size_t room = (r->body.dropped ? REQUEST_BODY_PREFIX : r->wanted->body_kept) - r->body.len;
    size_t kept = n < room ? n : room;
    if (kept > 0)
        memcpy(r->body.bytes + r->body.len, bytes, kept);
    r->body.len += (uint32_t)kept;
    r->body_left -= (uint32_t)n;
    r->body_total += (uint32_t)n;
    return n;
}

/* ---- chunks ---- */

static enum request_status in_size(struct request *r, char c) {
    int digit = hex_digit(c);
    if (digit >= 0 && ++r->at <= REQUEST_CHUNK_LINE_MAX) {
        if (r->body_left > (UINT32_MAX >> 4))
            return too_large(r);
        r->body_left = r->body_left << 4 | (uint32_t)digit;
        return r->body_left > r->wanted->body_read - r->body_total ? too_large(r) : REQUEST_MORE;
    }
    if (r->at == 0 || (c != '\r' && c != ';' && c != ' ' && c != '\t'))
        return request_refuse(r, 400, "a chunk of the body does not begin with its size");
    r->state = c == '\r' ? SIZE_LF : EXTENSION;
    return REQUEST_MORE;
}

static enum request_status in_extension(struct request *r, char c) {
    if (c == '\r')
        r->state = SIZE_LF;
    else if (((unsigned char)c < ' ' && c != '\t') || c == 0x7F || ++r->at > REQUEST_CHUNK_LINE_MAX)
        return request_refuse(r, 400, "the extensions of a chunk are malformed, or too long");
    return REQUEST_MORE;
}

/* Headers behind a body say nothing here, and count with those before it. */
static enum request_status in_trailer(struct request *r, char c) {
    uint32_t max = r->wanted->head_max != 0 ? r->wanted->head_max : REQUEST_HEAD_MAX;
    if (++r->head_len > max)
        return request_refuse(r, 431, "request line and headers have more bytes than are read");
    if (c == '\r')
        r->state = r->state == TRAILER ? END_LF : TRAILER_LF;
    else if (((unsigned char)c < ' ' && c != '\t') || c == 0x7F)
        return request_refuse(r, 400, "a header holds a control character");
    else
        r->state = TRAILER_LINE;
    return REQUEST_MORE;
}

static enum request_status line_ends(struct request *r) {
    switch ((enum state)r->state) {
    case SIZE_LF:
        r->state = r->body_left > 0 ? CHUNK : TRAILER;
        break;
    case CHUNK_LF:
        r->at = 0;
        r->state = SIZE;
        break;
    case TRAILER_LF:
        r->state = TRAILER;
        break;
    default:
        return REQUEST_DONE;
    }
    return REQUEST_MORE;
}

static enum request_status take(struct request *r, char c) {
    switch ((enum state)r->state) {
    case SIZE:
        return in_size(r, c);
    case EXTENSION:
        return in_extension(r, c);
    case TRAILER:
    case TRAILER_LINE:
        return in_trailer(r, c);
    case CHUNK_CR:
        if (c != '\r')
            return request_refuse(r, 400, "a chunk of the body is longer than it says");
        r->state = CHUNK_LF;
        return REQUEST_MORE;
    default:
        return c == '\n' ? line_ends(r) : request_refuse(r, 400, "a CR without LF behind it");
    }
}

enum request_status request_body_feed(struct request *r, const struct request_extras *extras,
                                      const char *bytes, size_t len, size_t *used) {
    enum request_status status = REQUEST_MORE;
    size_t i = 0;
    if (r->state < REQUEST_STATE_BODY) {
        status = request_feed(r, extras, bytes, len, used);
        return status == REQUEST_DONE ? begin(r) : status;
    }
    while (i < len && status == REQUEST_MORE) {
        if (r->state != DATA && r->state != CHUNK) {
            status = take(r, bytes[i++]);
            continue;
        }
        i += take_data(r, bytes + i, len - i);
        if (r->body_left == 0 && r->state == DATA)
            status = REQUEST_DONE;
        else if (r->body_left == 0)
            r->state = CHUNK_CR;
    }
    *used = i;
    return status;
}
