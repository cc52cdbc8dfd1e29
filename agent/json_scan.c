#include "agent/json_scan.h"

#include <stdint.h>
#include <string.h>

#define DEPTH_MAX 64 /* an object of the API server has less than 20 */

static const char *skip_blanks(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        p++;
    return p;
}

/* Behind the string that begins at p; NULL: it does not end. */
static const char *skip_string(const char *p, const char *end) {
    for (p++; p < end; p++) {
        if (*p == '\\')
            p++;
        else if (*p == '"')
            return p + 1;
    }
    return NULL;
}

static const char *skip_nested(const char *p, const char *end) {
    size_t depth = 0;
    char closing[DEPTH_MAX];
    while (p < end) {
        if (*p == '"') {
            p = skip_string(p, end);
            if (p == NULL)
                return NULL;
            continue;
        }
        if (*p == '{' || *p == '[') {
            if (depth == DEPTH_MAX)
                return NULL;
            closing[depth++] = *p == '{' ? '}' : ']';
        } else if (*p == '}' || *p == ']') {
            if (closing[--depth] != *p)
                return NULL;
            if (depth == 0)
                return p + 1;
        }
        p++;
    }
    return NULL;
}

static const char *skip_value(const char *p, const char *end) {
    if (p == end)
        return NULL;
    if (*p == '"')
        return skip_string(p, end);
    if (*p == '{' || *p == '[')
        return skip_nested(p, end);
    const char *start = p;
    while (p < end && strchr(",:]}\" \t\r\n", *p) == NULL)
        p++;
    return p > start ? p : NULL;
}

bool json_span_of(const char *text, size_t len, struct json_span *out) {
    const char *end = text + len, *at = skip_blanks(text, end), *behind = skip_value(at, end);
    if (behind == NULL)
        return false;
    *out = (struct json_span){at, (size_t)(behind - at)};
    return true;
}

static bool span_at(const char **p, const char *end, struct json_span *out) {
    if (!json_span_of(*p, (size_t)(end - *p), out))
        return false;
    *p = skip_blanks(out->at + out->len, end);
    return true;
}

bool json_span_next(struct json_span whole, size_t *position, struct json_span *name,
                    struct json_span *value) {
    if (whole.len < 2 || (*whole.at != '{' && *whole.at != '['))
        return false;
    const char *end = whole.at + whole.len - 1, *p = whole.at + (*position > 0 ? *position : 1);
    *name = (struct json_span){"", 0};
    p = skip_blanks(p, end);
    if (*position > 0 && p < end && *p == ',')
        p = skip_blanks(p + 1, end);
    if (p >= end)
        return false;
    if (*whole.at == '{') {
        if (*p != '"' || !span_at(&p, end, name) || p == end || *p != ':')
            return false;
        p++;
    }
    if (!span_at(&p, end, value) || (p < end && *p != ','))
        return false;
    *position = (size_t)(p - whole.at);
    return true;
}

bool json_span_over(struct json_span whole, size_t position) {
    const char *end = whole.at + whole.len - 1;
    return whole.len >= 2 && skip_blanks(whole.at + (position > 0 ? position : 1), end) == end;
}

bool json_span_member(struct json_span object, const char *wanted, struct json_span *value) {
    struct json_span name;
    size_t position = 0, len = strlen(wanted);
    while (object.len > 0 && *object.at == '{' && json_span_next(object, &position, &name, value)) {
        if (name.len == len + 2 && memcmp(name.at + 1, wanted, len) == 0)
            return true;
    }
    return false;
}

/* ---- strings ---- */

static int digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Four hexadecimal digits. False if they are not there. */
static bool unit(const char *p, const char *end, uint32_t *out) {
    *out = 0;
    for (int i = 0; i < 4; i++) {
        int d = end - p > i ? digit(p[i]) : -1;
        if (d < 0)
            return false;
        *out = *out << 4 | (uint32_t)d;
    }
    return true;
}

/* Behind "\\u": one character, perhaps of two escapes. NULL: it is none. */
static const char *character(const char *p, const char *end, uint32_t *out) {
    uint32_t low;
    if (!unit(p, end, out) || (*out >= 0xDC00 && *out <= 0xDFFF))
        return NULL;
    p += 4;
    if (*out < 0xD800 || *out > 0xDBFF)
        return p;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u' || !unit(p + 2, end, &low) || low < 0xDC00 || low > 0xDFFF)
        return NULL;
    *out = 0x10000 + ((*out - 0xD800) << 10) + (low - 0xDC00);
    return p + 6;
}

static size_t encode(uint32_t c, char out[4]) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = len; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(first[len] | c);
    return len;
}

/* One escape, from behind its backslash; the bytes that it stands for. NULL: it is none. */
static const char *escape(const char *p, const char *end, char out[4], size_t *len) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint32_t c;
    const char *at = p < end && *p != '\0' ? strchr(from, *p) : NULL;
    if (at != NULL) {
        out[0] = to[at - from];
        *len = 1;
        return p + 1;
    }
    if (p == end || *p != 'u' || (p = character(p + 1, end, &c)) == NULL)
        return NULL;
    *len = encode(c, out);
    return p;
}

enum err json_span_text(struct json_span string, char *out, size_t cap, size_t *len) {
    if (string.len < 2 || *string.at != '"')
        return ERR_TYPE;
    *len = 0;
    for (const char *p = string.at + 1, *end = string.at + string.len - 1; p < end;) {
        char bytes[4] = {*p};
        size_t count = 1;
        p = *p == '\\' ? escape(p + 1, end, bytes, &count) : p + 1;
        if (p == NULL)
            return ERR_SYNTAX;
        if (bytes[0] == '\0')
            return ERR_CONTROL;
        if (cap - *len <= count)
            return ERR_TOO_LONG;
        memcpy(out + *len, bytes, count);
        *len += count;
    }
    out[*len] = '\0';
    return ERR_OK;
}
