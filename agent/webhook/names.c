#include "agent/webhook/names.h"

#include <string.h>

#include "agent/webhook/members.h"

/* The annotation's text is decoded in place, and then taken apart where it lies: names only get shorter. */
static enum err decode(struct json_span string, struct names *out) {
    size_t len = 0;
    enum err e = json_span_text(string, out->text, sizeof out->text, &len);
    out->len = e == ERR_OK ? len : 0;
    return e;
}

static enum err none(struct names *out, enum err e) {
    out->len = 0;
    return e;
}

static enum err taken(struct names *out, const char *end, size_t count) {
    if (count > NAMES_COUNT_MAX)
        return none(out, ERR_TOO_LONG);
    out->len = (size_t)(end - out->text);
    return ERR_OK;
}

/* ---- CSV, as Go's encoding/csv reads it ---- */

static bool line_ends(const char *p) {
    return *p == '\0' || *p == '\n' || (*p == '\r' && (p[1] == '\n' || p[1] == '\0'));
}

/* From behind the opening quote. NULL: it does not end, or not before a comma. */
static const char *quoted(const char *p, char **to) {
    for (; *p != '\0'; p++) {
        if (*p == '"' && p[1] == '"')
            p++;
        else if (*p == '"')
            return p[1] == ',' || line_ends(p + 1) ? p + 1 : NULL;
        *(*to)++ = *p;
    }
    return NULL;
}

static const char *plain(const char *p, char **to) {
    for (; *p != ',' && !line_ends(p); p++) {
        if (*p == '"')
            return NULL;
        *(*to)++ = *p;
    }
    return p;
}

enum err names_read_csv(struct json_span string, struct names *out) {
    enum err e = decode(string, out);
    const char *p = out->text;
    char *to = out->text;
    if (e != ERR_OK)
        return none(out, e);
    while (*p == '\n' || (*p == '\r' && p[1] == '\n'))
        p++;
    if (*p == '\0')
        return none(out, ERR_EMPTY);
    size_t count = 0;
    for (bool more = true; more; p++, count++) {
        p = *p == '"' ? quoted(p + 1, &to) : plain(p, &to);
        if (p == NULL)
            return none(out, ERR_SYNTAX);
        more = *p == ',';
        *to++ = '\0'; /* over the comma, or what the name has left behind */
    }
    return taken(out, to, count);
}

/* ---- ours ---- */

static bool blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

enum err names_read(struct json_span string, struct names *out) {
    enum err e = decode(string, out);
    const char *p = out->text;
    char *to = out->text;
    if (e != ERR_OK)
        return none(out, e);
    size_t count = 0;
    for (bool more = true; more; p++, count++) {
        char *first = to;
        while (blank(*p))
            p++;
        while (*p != ',' && *p != '\0')
            *to++ = *p++;
        while (to > first && blank(to[-1]))
            to--;
        if (to == first)
            return none(out, ERR_EMPTY);
        more = *p == ',';
        *to++ = '\0';
    }
    return taken(out, to, count);
}

/* ---- asking ---- */

const char *names_next(const struct names *names, size_t *position) {
    if (*position >= names->len)
        return NULL;
    const char *name = names->text + *position;
    *position += strlen(name) + 1;
    return name;
}

bool names_has(const struct names *names, struct json_span name) {
    size_t position = 0;
    for (const char *one; (one = names_next(names, &position)) != NULL;) {
        if (span_is(name, one))
            return true;
    }
    return false;
}
