#include "agent/webhook/json_check.h"

#include <stdint.h>
#include <string.h>

#include "common/base/buf.h"

struct check {
    const char *p, *end;
    const char *what; /* NULL: good so far */
    uint64_t arrays;  /* a bit a level, the innermost one lowest: whether it is an array */
    unsigned depth;
};
_Static_assert(JSON_CHECK_DEPTH_MAX == 64, "a bit a level");

static bool wrong(struct check *c, const char *what) {
    c->what = what;
    return false;
}

static void skip_blanks(struct check *c) {
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\r' || *c->p == '\n'))
        c->p++;
}

/* ---- scalars ---- */

static bool is_digit(const struct check *c) {
    return c->p < c->end && *c->p >= '0' && *c->p <= '9';
}

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Behind its backslash. */
static bool escape(struct check *c) {
    if (c->p == c->end || *c->p == '\0' || strchr("\"\\/bfnrtu", *c->p) == NULL)
        return wrong(c, "a backslash is followed by what is no escape");
    if (*c->p++ != 'u')
        return true;
    for (int i = 0; i < 4; i++) {
        if (c->p == c->end || !is_hex(*c->p++))
            return wrong(c, "\\u is not followed by four hexadecimal digits");
    }
    return true;
}

static bool string(struct check *c) {
    for (c->p++; c->p < c->end;) {
        unsigned char byte = (unsigned char)*c->p;
        size_t len = 1;
        if (byte == '"') {
            c->p++;
            return true;
        }
        if (byte < 0x20)
            return wrong(c, "a string holds a control character");
        if (byte >= 0x80)
            len = buf_utf8_len(c->p, (size_t)(c->end - c->p));
        if (len == 0)
            return wrong(c, "a string is not valid UTF-8");
        c->p += len;
        if (byte == '\\' && !escape(c))
            return false;
    }
    return wrong(c, "a string does not end");
}

static bool digits(struct check *c) {
    if (!is_digit(c))
        return wrong(c, "a number is not complete");
    while (is_digit(c))
        c->p++;
    return true;
}

static bool number(struct check *c) {
    c->p += *c->p == '-';
    const char *first = c->p;
    if (!digits(c))
        return false;
    if (*first == '0' && c->p > first + 1)
        return wrong(c, "a number begins with 0");
    if (c->p < c->end && *c->p == '.') {
        c->p++;
        if (!digits(c))
            return false;
    }
    if (c->p < c->end && (*c->p == 'e' || *c->p == 'E')) {
        c->p++;
        c->p += c->p < c->end && (*c->p == '+' || *c->p == '-');
        return digits(c);
    }
    return true;
}

static bool scalar(struct check *c) {
    static const char words[][6] = {"true", "false", "null"};
    if (*c->p == '"')
        return string(c);
    if (*c->p == '-' || is_digit(c))
        return number(c);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t len = strlen(words[i]);
        if ((size_t)(c->end - c->p) >= len && memcmp(c->p, words[i], len) == 0) {
            c->p += len;
            return true;
        }
    }
    return wrong(c, "a value is expected here");
}

/* ---- objects and arrays ---- */

enum state { VALUE, FIRST_VALUE, NAME, FIRST_NAME, NEXT };

static bool in_array(const struct check *c) {
    return (c->arrays & 1) != 0;
}

static bool open_level(struct check *c, enum state *state) {
    if (c->depth == JSON_CHECK_DEPTH_MAX)
        return wrong(c, "it is nested more than 64 deep");
    c->depth++;
    c->arrays = c->arrays << 1 | (*c->p == '[');
    *state = *c->p++ == '[' ? FIRST_VALUE : FIRST_NAME;
    return true;
}

static void close_level(struct check *c, enum state *state) {
    c->p++;
    c->depth--;
    c->arrays >>= 1;
    *state = NEXT;
}

static bool name(struct check *c, enum state *state) {
    if (*c->p != '"')
        return wrong(c, "a member's name is expected here");
    if (!string(c))
        return false;
    skip_blanks(c);
    if (c->p == c->end || *c->p != ':')
        return wrong(c, "a colon is expected here");
    c->p++;
    *state = VALUE;
    return true;
}

static bool value(struct check *c, enum state *state) {
    if (*c->p == '{' || *c->p == '[')
        return open_level(c, state);
    *state = NEXT;
    return scalar(c);
}

/* c->p is at what is no blank. */
static bool step(struct check *c, enum state *state) {
    char closing = in_array(c) ? ']' : '}';
    if (*state != VALUE && *state != NAME && *c->p == closing) {
        close_level(c, state);
        return true;
    }
    if (*state == NEXT) {
        if (*c->p != ',')
            return wrong(c, in_array(c) ? "a comma or ] is expected here" : "a comma or } is expected here");
        c->p++;
        *state = in_array(c) ? VALUE : NAME;
        return true;
    }
    return *state == VALUE || *state == FIRST_VALUE ? value(c, state) : name(c, state);
}

static bool document(struct check *c) {
    enum state state = VALUE;
    do {
        skip_blanks(c);
        if (c->p == c->end)
            return wrong(c, "it ends too early");
        if (!step(c, &state))
            return false;
    } while (c->depth > 0 || state != NEXT);
    skip_blanks(c);
    return c->p == c->end || wrong(c, "something follows behind its end");
}

bool json_check(const char *text, size_t len, struct json_flaw *flaw) {
    struct check c = {.p = text, .end = text + len};
    bool good = document(&c);
    *flaw = (struct json_flaw){(size_t)(c.p - text), c.what};
    return good;
}
