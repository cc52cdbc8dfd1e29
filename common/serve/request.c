#include "common/serve/request.h"

#include <string.h>

#include "common/base/wipe.h"
#include "common/serve/request_field.h"
#include "common/serve/request_text.h"

enum state {
    START,    /* before a request; one empty line is let pass */
    START_LF, /* its LF */
    METHOD,
    TARGET,
    VERSION,
    LINE_LF, /* LF behind the request line */
    HEADER,  /* the first byte of a header line, or of the empty line */
    NAME,
    VALUE_BLANK, /* blanks behind the colon */
    VALUE,
    HEADER_LF,
    END_LF,    /* LF of the empty line */
    LAST_CHUNK /* behind it, where the body is chunked: "0" and two line ends, as it is empty */
};

static size_t in_use(const struct request *r) {
    return offsetof(struct request, query) + r->query_len;
}

void request_reset(struct request *r) {
    const struct request_room room = r->room;
    if (room.cap > 0)
        wipe(room.text, r->room_used);
    wipe(r, in_use(r));
    r->room = room;
}

void request_move(struct request *from, struct request *to) {
    const struct request_room room = to->room;
    memcpy(to, from, in_use(from));
    to->room = room;
    if (room.cap > 0)
        memcpy(room.text, from->room.text, from->room_used);
    request_reset(from);
}

bool request_begun(const struct request *r) {
    return r->state != START;
}

/* ---- the request line ---- */

static enum request_status method_ends(struct request *r) {
    static const char names[REQUEST_OTHER][5] = {"GET", "HEAD", "PUT", "POST"}; /* as in the enum */
    r->method = 0;
    while (r->method < REQUEST_OTHER && strcmp(r->value, names[r->method]) != 0)
        r->method++;
    r->at = 0;
    r->state = TARGET;
    return REQUEST_MORE;
}

static enum request_status in_method(struct request *r, char c) {
    enum { METHOD_MAX = 16 };
    if (c == ' ' && r->at > 0) {
        r->value[r->at] = '\0';
        return method_ends(r);
    }
    if (token_char(c) == '\0' || r->at == METHOD_MAX)
        return request_refuse(r, 400, "the request line does not begin with a method and a blank");
    r->value[r->at++] = c;
    return REQUEST_MORE;
}

/* Some clients escape what need not be escaped in a path. A character that came out of an escape begins none:
 * %2541 is no A. */
static void decode_escape(struct request *r, char c) {
    if (c == '%')
        r->escape = 1;
    else if (r->escape > 0 && ++r->escape == 3) {
        r->escape = 0;
        int high = hex_digit(r->path[r->at - 2]), low = hex_digit(r->path[r->at - 1]);
        char decoded = high < 0 || low < 0 ? '\0' : (char)(high * 16 + low);
        if (decoded <= ' ' || decoded >= 0x7F || decoded == '%')
            return;
        r->at -= 2;
        r->path[r->at - 1] = decoded;
    }
}

static enum request_status in_target(struct request *r, char c) {
    if (c == ' ' && r->target_len > 0) {
        if (r->path_too_long)
            r->at = 0;
        r->path[r->at] = '\0';
        r->at = 0;
        r->state = VERSION;
        return REQUEST_MORE;
    }
    if (c <= ' ' || c >= 0x7F)
        return request_refuse(
            r, 400, "the request target holds a blank, a control character or a character beyond ASCII");
    if (r->target_len == 0 && c != '/')
        return request_refuse(r, 400, "the request target does not begin with a slash");
    if (++r->target_len > REQUEST_TARGET_MAX)
        return request_refuse(r, 414, "the request target has more than 1024 characters");
    if (r->in_query && r->wanted != NULL && r->wanted->query)
        r->query[r->query_len++] = c; /* shorter than the target */
    r->in_query = r->in_query || c == '?';
    if (r->in_query)
        return REQUEST_MORE;
    if (r->at == REQUEST_PATH_MAX - 1) {
        r->path_too_long = true;
        return REQUEST_MORE;
    }
    r->path[r->at++] = c;
    decode_escape(r, c);
    return REQUEST_MORE;
}

static enum request_status in_version(struct request *r, char c) {
    static const char prefix[] = "HTTP/";
    enum { LEN = 8 };
    if (c == '\r' && r->at == LEN) {
        if (memcmp(r->value, "HTTP/1.1", LEN) != 0 && memcmp(r->value, "HTTP/1.0", LEN) != 0)
            return request_refuse(r, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
        r->http_1_0 = r->value[LEN - 1] == '0';
        r->close = r->http_1_0;
        r->state = LINE_LF;
        return REQUEST_MORE;
    }
    bool fits = r->at < 5 ? c == prefix[r->at] : r->at == 6 ? c == '.' : r->at < LEN && c >= '0' && c <= '9';
    if (!fits)
        return request_refuse(r, 400, "the request line does not end in HTTP/1.1 and CR LF");
    r->value[r->at++] = c;
    return REQUEST_MORE;
}

/* ---- headers ---- */

static enum request_status name_ends(struct request *r) {
    r->state = VALUE_BLANK;
    return request_field_begins(r);
}

static enum request_status value_ends(struct request *r) {
    r->state = HEADER_LF;
    return request_field_ends(r);
}

static enum request_status in_name(struct request *r, char c) {
    if (c == ':' && r->at > 0)
        return name_ends(r);
    char stored = token_char(c);
    if (stored == '\0')
        return request_refuse(r, 400, "a header line does not begin with a name and a colon");
    if (r->at < REQUEST_NAME_MAX - 1)
        r->name[r->at] = stored;
    if (r->at < REQUEST_NAME_MAX)
        r->at++;
    return REQUEST_MORE;
}

static enum request_status in_value(struct request *r, char c) {
    if (c == '\r')
        return value_ends(r);
    if (r->state == VALUE_BLANK && (c == ' ' || c == '\t'))
        return REQUEST_MORE;
    if (((unsigned char)c < ' ' && c != '\t') || c == 0x7F)
        return request_refuse(r, 400, "a header holds a control character");
    r->state = VALUE;
    request_field_keep(r, &c, 1);
    return REQUEST_MORE;
}

static uint32_t head_max(const struct request *r) {
    return r->wanted != NULL && r->wanted->head_max != 0 ? r->wanted->head_max : REQUEST_HEAD_MAX;
}

/* ---- runs ---- */
/* Most of a request is usual words, a path, names and values. A run is what of the next bytes goes on with
 * what is being read: taken at once, as take() would take them one by one. */

/* How nearly every request begins, and how its first line ends. */
static size_t usual_run(struct request *r, const char *bytes, size_t len) {
    static const char method[] = "GET ", version[] = "HTTP/1.1\r\n";
    if (r->state == START && len >= sizeof method - 1 && memcmp(bytes, method, sizeof method - 1) == 0) {
        memcpy(r->value, "GET", sizeof "GET");
        r->method = REQUEST_GET;
        r->state = TARGET;
        return sizeof method - 1;
    }
    if (r->state == VERSION && r->at == 0 && len >= sizeof version - 1 &&
        memcmp(bytes, version, sizeof version - 1) == 0) {
        memcpy(r->value, version, 8);
        r->at = 8;
        r->state = HEADER;
        return sizeof version - 1;
    }
    return 0;
}

static size_t path_run(struct request *r, const char *bytes, size_t len) {
    size_t n = 0, room = REQUEST_PATH_MAX - 1;
    if (r->target_len == 0 || r->in_query || r->escape != 0 || r->at >= room)
        return 0;
    if (len > room - r->at)
        len = room - r->at;
    for (; n < len && bytes[n] > ' ' && bytes[n] < 0x7F && bytes[n] != '?' && bytes[n] != '%'; n++)
        r->path[r->at + n] = bytes[n];
    r->at += (uint32_t)n;
    r->target_len = (uint16_t)(r->target_len + n); /* a path is shorter than a target may be */
    return n;
}

static size_t name_bytes(struct request *r, const char *bytes, size_t len) {
    size_t room = REQUEST_NAME_MAX - 1 - r->at, n = 0;
    if (r->at < REQUEST_NAME_MAX)
        n = text_name(r->name + r->at, bytes, len < room ? len : room);
    r->at += (uint32_t)n;
    return n;
}

static enum request_status at_header(struct request *r, char c) {
    if (c == '\r') {
        r->state = END_LF;
        return REQUEST_MORE;
    }
    if (++r->header_count > REQUEST_HEADERS_MAX)
        return request_refuse(r, 431, "more than 100 headers");
    r->at = 0;
    r->state = NAME;
    return in_name(r, c);
}

static size_t name_run(struct request *r, const char *bytes, size_t len, enum request_status *status) {
    size_t n = 0;
    if (r->state == HEADER && bytes[0] != '\r')
        *status = at_header(r, bytes[n++]);
    if (r->state != NAME || *status != REQUEST_MORE)
        return n;
    n += name_bytes(r, bytes + n, len - n);
    if (n < len && bytes[n] == ':') {
        n++;
        *status = name_ends(r);
    }
    return n;
}

static size_t value_run(struct request *r, const char *bytes, size_t len, enum request_status *status) {
    size_t blanks = r->state == VALUE_BLANK ? text_blanks(bytes, len) : 0;
    size_t kept = text_value(bytes + blanks, len - blanks), n = blanks + kept;
    if (kept > 0) {
        r->state = VALUE;
        request_field_keep(r, bytes + blanks, kept);
    }
    if (len - n < 2 || bytes[n] != '\r' || bytes[n + 1] != '\n')
        return n;
    *status = value_ends(r);
    if (*status != REQUEST_MORE)
        return n + 1;
    r->state = HEADER;
    return n + 2;
}

static size_t take_run(struct request *r, const char *bytes, size_t len, enum request_status *status) {
    size_t n = 0;
    switch ((enum state)r->state) {
    case START:
    case VERSION:
        return usual_run(r, bytes, len);
    case TARGET:
        return path_run(r, bytes, len);
    case HEADER:
    case NAME:
        n = name_run(r, bytes, len, status);
        if (r->state != VALUE_BLANK || *status != REQUEST_MORE)
            return n;
        return n + value_run(r, bytes + n, len - n, status);
    case VALUE_BLANK:
    case VALUE:
        return value_run(r, bytes, len, status);
    default:
        return 0;
    }
}

static enum request_status at_end(struct request *r) {
    if (!r->has_host && !r->http_1_0)
        return request_refuse(r, 400, "an HTTP/1.1 request needs a Host header");
    if (!r->chunked)
        return REQUEST_DONE;
    r->at = 0;
    r->state = LAST_CHUNK;
    return REQUEST_MORE;
}

static enum request_status in_last_chunk(struct request *r, char c) {
    static const char last[] = "0\r\n\r\n";
    bool more = r->at == 0 && ((c >= '1' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'f'));
    if (more)
        return request_refuse(r, 413, "requests have no body here");
    if (c != last[r->at])
        return request_refuse(r, 400, "a chunked body that is not an empty one");
    return ++r->at == sizeof last - 1 ? REQUEST_DONE : REQUEST_MORE;
}

static enum request_status take(struct request *r, char c) {
    static const uint8_t after_lf[] = {[START_LF] = METHOD, [LINE_LF] = HEADER, [HEADER_LF] = HEADER};
    switch ((enum state)r->state) {
    case START:
        r->state = c == '\r' ? START_LF : METHOD;
        return c == '\r' ? REQUEST_MORE : in_method(r, c);
    case METHOD:
        return in_method(r, c);
    case TARGET:
        return in_target(r, c);
    case VERSION:
        return in_version(r, c);
    case HEADER:
        return at_header(r, c);
    case NAME:
        return in_name(r, c);
    case VALUE_BLANK:
    case VALUE:
        return in_value(r, c);
    case LAST_CHUNK:
        return in_last_chunk(r, c);
    case START_LF:
    case LINE_LF:
    case HEADER_LF:
    case END_LF:
        break;
    }
    if (c != '\n')
        return request_refuse(r, 400, "a CR without LF behind it");
    if (r->state == END_LF)
        return at_end(r);
    r->state = after_lf[r->state];
    return REQUEST_MORE;
}

enum request_status request_feed(struct request *r, const struct request_extras *extras, const char *bytes,
                                 size_t len, size_t *used) {
    enum request_status status = REQUEST_MORE;
    r->wanted = extras;
    size_t i = 0, room = head_max(r) - r->head_len, end = len < room ? len : room;
    while (i < end && status == REQUEST_MORE) {
        i += take_run(r, bytes + i, end - i, &status);
        if (i < end && status == REQUEST_MORE)
            status = take(r, bytes[i++]);
    }
    r->head_len += (uint32_t)i;
    if (status == REQUEST_MORE && end < len) {
        status = request_refuse(r, 431, "request line and headers have more bytes than are read");
        i++;
    }
    *used = i;
    return status;
}
