#include "common/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/wipe.h"

struct buf buf_over(char *storage, size_t cap) {
    storage[0] = '\0';
    return (struct buf){.data = storage, .len = 0, .cap = cap, .overflow = false};
}

void buf_reset(struct buf *b) {
    b->len = 0;
    b->overflow = false;
    b->data[0] = '\0';
}

void buf_wipe(struct buf *b) {
    wipe(b->data, b->len);
    buf_reset(b);
}

void buf_put(struct buf *b, const void *bytes, size_t len) {
    if (b->overflow || len >= b->cap - b->len) {
        if (len > 0)
            b->overflow = true;
        return;
    }
    if (len > 0)
        memcpy(b->data + b->len, bytes, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_str(struct buf *b, const char *text) {
    buf_put(b, text, strlen(text));
}

void buf_char(struct buf *b, char c) {
    buf_put(b, &c, 1);
}

void buf_u64(struct buf *b, uint64_t n) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    buf_put(b, digits + at, sizeof digits - at);
}

void buf_i64(struct buf *b, int64_t n) {
    if (n >= 0) {
        buf_u64(b, (uint64_t)n);
        return;
    }
    buf_char(b, '-');
    buf_u64(b, (uint64_t)0 - (uint64_t)n);
}

void buf_fmt(struct buf *b, const char *format, ...) {
    if (b->overflow)
        return;
    size_t room = b->cap - b->len;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(b->data + b->len, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room) {
        b->data[b->len] = '\0';
        b->overflow = true;
        return;
    }
    b->len += (size_t)n;
}

size_t buf_utf8_len(const char *text, size_t left) {
    const unsigned char *p = (const unsigned char *)text;
    size_t n;
    uint32_t code, least;
    if (p[0] < 0x80)
        return 1;
    if ((p[0] & 0xE0) == 0xC0) {
        n = 2, code = p[0] & 0x1FU, least = 0x80;
    } else if ((p[0] & 0xF0) == 0xE0) {
        n = 3, code = p[0] & 0x0FU, least = 0x800;
    } else if ((p[0] & 0xF8) == 0xF0) {
        n = 4, code = p[0] & 0x07U, least = 0x10000;
    } else {
        return 0;
    }
    if (n > left)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3FU);
    }
    if (code < least || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return 0;
    return n;
}

static void json_char(struct buf *b, unsigned char c) {
    static const char hex[] = "0123456789abcdef";
    switch (c) {
    case '"':
        buf_str(b, "\\\"");
        return;
    case '\\':
        buf_str(b, "\\\\");
        return;
    case '\n':
        buf_str(b, "\\n");
        return;
    case '\r':
        buf_str(b, "\\r");
        return;
    case '\t':
        buf_str(b, "\\t");
        return;
    default:
        break;
    }
    if (c < 0x20 || c == 0x7F) {
        const char escaped[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        buf_put(b, escaped, sizeof escaped);
        return;
    }
    buf_char(b, (char)c);
}

void buf_json(struct buf *b, const char *text, size_t len) {
    const unsigned char *p = (const unsigned char *)text;
    buf_char(b, '"');
    for (size_t i = 0; i < len;) {
        size_t n = buf_utf8_len(text + i, len - i);
        if (n == 0) {
            buf_str(b, "\\ufffd");
            i++;
        } else if (n == 1) {
            json_char(b, p[i++]);
        } else {
            buf_put(b, p + i, n);
            i += n;
        }
    }
    buf_char(b, '"');
}

void buf_printable(struct buf *b, const char *text, size_t len, size_t max) {
    size_t shown = len > max ? max : len;
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)text[i];
        buf_char(b, c >= 0x20 && c < 0x7F ? (char)c : '?');
    }
    if (shown < len)
        buf_str(b, "...");
}
