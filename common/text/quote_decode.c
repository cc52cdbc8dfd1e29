#include "common/text/quote_decode.h"

#include <string.h>

static void put(struct quote_stream *out, unsigned c, uint16_t from) {
    out->c[out->len] = (char)c;
    out->from[out->len++] = from;
}

static void end(struct quote_stream *out, const struct quote_stream *in) {
    out->from[out->len] = in->from[in->len];
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character of exactly `digits` hex digits, or -1. */
static int hex_number(const char *text, size_t left, unsigned digits) {
    int value = 0;
    if (left < digits)
        return -1;
    for (unsigned i = 0; i < digits; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* Each of these: the number of characters that the escape at `text` takes, 0 if there is none; *c is what it
 * stands for. A blank can stand for anything that is no letter and no digit, since these are not compared. */

static size_t backslash(const char *text, size_t left, int *c) {
    if (text[0] != '\\' || left < 2)
        return 0;
    if (text[1] == 'u' && (*c = hex_number(text + 2, left - 2, 4)) >= 0)
        return 6;
    if (text[1] == 'x' && (*c = hex_number(text + 2, left - 2, 2)) >= 0)
        return 4;
    *c = memchr("nrtbf", text[1], 5) != NULL ? ' ' : text[1];
    return 2;
}

static size_t numeric_reference(const char *text, size_t left, int *c) {
    size_t at = 2;
    int base = 10;
    if (at < left && (text[at] | 0x20) == 'x')
        base = 16, at++;
    size_t first = at;
    for (*c = 0; at < left; at++) {
        int digit = hex_digit(text[at]);
        if (digit < 0 || digit >= base)
            break;
        *c = *c > 0xFFFF ? *c : *c * base + digit;
    }
    return at == first ? 0 : at + (at < left && text[at] == ';' ? 1 : 0);
}

static size_t reference(const char *text, size_t left, int *c) {
    static const struct {
        char name[6], c;
    } names[] = {{"sol;", '/'}, {"plus;", '+'}, {"amp;", '&'}, {"num;", '#'}};
    if (text[0] != '&' || left < 3)
        return 0;
    if (text[1] == '#')
        return numeric_reference(text, left, c);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t len = strlen(names[i].name);
        *c = names[i].c;
        if (left > len && memcmp(text + 1, names[i].name, len) == 0)
            return len + 1;
    }
    *c = ' ';
    size_t len = 1;
    while (len < left && len < 10 && ((text[len] | 0x20) >= 'a' && (text[len] | 0x20) <= 'z'))
        len++;
    return len < left && text[len] == ';' ? len + 1 : 0;
}

static size_t per_cent(const char *text, size_t left, int *c) {
    if (text[0] == '%' && (*c = hex_number(text + 1, left - 1, 2)) >= 0)
        return 3;
    /* A list of bytes: 0x65, 0x79 */
    if (text[0] == '0' && left > 3 && text[1] == 'x' && (*c = hex_number(text + 2, left - 2, 2)) >= 0)
        return 4;
    return 0;
}

bool quote_unescape(const struct quote_stream *in, struct quote_stream *out) {
    bool changed = false;
    out->len = 0;
    for (size_t i = 0, n; i < in->len; i += n) {
        int c = 0;
        n = backslash(in->c + i, in->len - i, &c);
        if (n == 0)
            n = reference(in->c + i, in->len - i, &c);
        if (n == 0)
            n = per_cent(in->c + i, in->len - i, &c);
        changed = changed || n > 0;
        if (n == 0)
            c = in->c[i], n = 1;
        put(out, c >= ' ' && c < 0x7F ? (unsigned)c : ' ', in->from[i]);
    }
    end(out, in);
    return changed;
}

/* Keeps the visible characters that are at least QUOTE_WINDOW in a row, and a blank for all else. */
static bool keep_visible(struct quote_stream *s) {
    size_t kept = 0;
    for (size_t i = 0, n; i < s->len; i += n + 1) {
        for (n = 0; i + n < s->len && s->c[i + n] > ' ' && s->c[i + n] < 0x7F;)
            n++;
        if (n < QUOTE_WINDOW)
            continue;
        memmove(s->c + kept, s->c + i, n);
        memmove(s->from + kept, s->from + i, (n + 1) * sizeof s->from[0]);
        kept += n;
        if (i + n < s->len)
            s->c[kept++] = ' ';
    }
    if (kept > 0 && kept < s->len)
        s->from[kept] =
            s->from[s->len] > s->from[kept - 1] ? (uint16_t)(s->from[kept - 1] + 1) : s->from[s->len];
    s->len = kept;
    return kept > 0;
}

static int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

bool quote_from_base64(const struct quote_stream *in, unsigned skip, struct quote_stream *out) {
    uint32_t bits = 0;
    unsigned held = 0;
    out->len = 0;
    uint16_t from = 0;
    for (size_t i = 0; i < in->len; i++) {
        int digit = base64_digit(in->c[i]);
        if (digit < 0) {
            held = in->c[i] == '=' ? 0 : held; /* padding ends a group */
            continue;
        }
        if (skip > 0) {
            skip--;
            continue;
        }
        if (held == 0)
            from = in->from[i];
        bits = (bits << 6 | (uint32_t)digit) & 0xFFFFFFU;
        held += 6;
        if (held >= 8) {
            held -= 8;
            put(out, bits >> held & 0xFFU, from);
            from = in->from[i];
        }
    }
    end(out, in);
    return keep_visible(out);
}

bool quote_from_hex(const struct quote_stream *in, unsigned skip, struct quote_stream *out) {
    int high = -1;
    unsigned left = skip;
    uint16_t from = 0;
    out->len = 0;
    for (size_t i = 0; i < in->len; i++) {
        int digit = hex_digit(in->c[i]);
        bool letter = (in->c[i] | 0x20) > 'f' && (in->c[i] | 0x20) <= 'z';
        if (digit < 0) { /* what is no letter may stand between two bytes */
            if (letter) {
                put(out, 0, in->from[i]);
                high = -1;
                left = skip;
            }
        } else if (left > 0) {
            left--;
        } else if (high < 0) {
            high = digit;
            from = in->from[i];
        } else {
            put(out, (unsigned)(high << 4 | digit), from);
            high = -1;
        }
    }
    end(out, in);
    return keep_visible(out);
}
