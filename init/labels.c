#include "init/labels.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What is left of the text. */
struct cursor {
    const char *at, *end;
};

static bool key_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '/';
}

/* The key up to the '=', which is taken too. */
static enum err take_key(struct cursor *c, const char **key, size_t *len) {
    *key = c->at;
    while (c->at < c->end && key_character(*c->at))
        c->at++;
    *len = (size_t)(c->at - *key);
    if (*len > LABELS_KEY_MAX)
        return ERR_TOO_LONG;
    if (*len == 0 || c->at == c->end || *c->at != '=')
        return ERR_SYNTAX;
    c->at++;
    return ERR_OK;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; /* Go writes lower case */
}

/* The digits of \xHH, \uHHHH or \UHHHHHHHH. */
static bool take_hex(struct cursor *c, int digits, uint32_t *out) {
    *out = 0;
    for (; digits > 0; digits--, c->at++) {
        int digit = c->at < c->end ? hex_digit(*c->at) : -1;
        if (digit < 0)
            return false;
        *out = *out << 4 | (uint32_t)digit;
    }
    return true;
}

/* One character behind a backslash. What is no ASCII becomes '?': no label that is looked for holds it. */
static enum err take_escape(struct cursor *c, char *out) {
    static const char letters[] = "abfnrtv\\\"", values[] = "\a\b\f\n\r\t\v\\\"";
    if (c->at == c->end)
        return ERR_SYNTAX;
    char kind = *c->at++;
    const char *found = kind != '\0' ? strchr(letters, kind) : NULL;
    if (found != NULL) {
        *out = values[found - letters];
        return ERR_OK;
    }
    uint32_t code;
    int digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    if (digits == 0 || !take_hex(c, digits, &code) || code > 0x10FFFF)
        return ERR_SYNTAX;
    *out = code < 0x80 ? (char)code : '?';
    return ERR_OK;
}

/* The quoted value; out may be NULL, then it is only checked. */
static enum err take_value(struct cursor *c, char *out) {
    size_t len = 0;
    if (c->at == c->end || *c->at++ != '"')
        return ERR_SYNTAX;
    while (c->at < c->end && *c->at != '"') {
        char next = *c->at++;
        if ((unsigned char)next < ' ' || next == 0x7F)
            return ERR_CONTROL;
        enum err e = next == '\\' ? take_escape(c, &next) : ERR_OK;
        if (e != ERR_OK)
            return e;
        if (out != NULL && len == LABELS_VALUE_MAX - 1)
            return ERR_TOO_LONG;
        if (out != NULL)
            out[len++] = next;
    }
    if (c->at == c->end)
        return ERR_SYNTAX;
    c->at++;
    if (out != NULL)
        out[len] = '\0';
    return ERR_OK;
}

/* A line with its end, which the last line may lack. */
static enum err take_line(struct cursor *c, const char *wanted, char *out, bool *found) {
    const char *key;
    size_t len;
    enum err e = take_key(c, &key, &len);
    if (e != ERR_OK)
        return e;
    bool matches = len == strlen(wanted) && memcmp(key, wanted, len) == 0;
    if (matches && *found)
        return ERR_SYNTAX; /* twice */
    *found = *found || matches;
    e = take_value(c, matches ? out : NULL);
    if (e == ERR_OK && c->at < c->end && *c->at++ != '\n')
        e = ERR_SYNTAX;
    return e;
}

enum err labels_find(const char *text, size_t len, const char *key, char out[LABELS_VALUE_MAX],
                     size_t *line) {
    struct cursor c = {text, text + len};
    bool found = false;
    out[0] = '\0';
    *line = 1;
    if (len > LABELS_FILE_MAX)
        return ERR_TOO_LONG;
    for (; c.at < c.end; (*line)++) {
        enum err e = take_line(&c, key, out, &found);
        if (e != ERR_OK) {
            out[0] = '\0';
            return e;
        }
    }
    return found ? ERR_OK : ERR_MISSING;
}
