#include "common/text/xml.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/base/wipe.h"

#define NAME_MAX_LEN 64 /* the longest in use has 33 characters */

struct span {
    const char *at;
    size_t len;
};

/* What comes next in the text. */
enum kind { OPEN, CLOSE, EMPTY, TEXT, END };
struct event {
    enum kind kind;
    struct span name; /* OPEN, CLOSE, EMPTY */
    struct span text; /* TEXT: as written; OPEN and EMPTY: the value of xmlns, at NULL if there is none */
};
struct reader {
    const char *at, *end;
    enum err error; /* sticks, with END */
    bool words;     /* a text may have several lines */
};

static bool equal(struct span a, const char *text, size_t len) {
    return a.len == len && memcmp(a.at, text, len) == 0;
}

static bool name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool name_more(char c) {
    return name_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

static bool blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct event fail(struct reader *r, enum err e) {
    if (r->error == ERR_OK)
        r->error = e;
    return (struct event){.kind = END};
}

static void skip_blanks(struct reader *r) {
    while (r->at < r->end && blank(*r->at))
        r->at++;
}

static bool take(struct reader *r, const char *word) {
    size_t len = strlen(word);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
        return false;
    r->at += len;
    return true;
}

static struct span take_name(struct reader *r) {
    struct span name = {r->at, 0};
    while (r->at < r->end && (name.len == 0 ? name_start(*r->at) : name_more(*r->at))) {
        r->at++;
        name.len++;
    }
    if (name.len == 0 || name.len > NAME_MAX_LEN)
        (void)fail(r, ERR_SYNTAX);
    return name;
}

/* ="value" or ='value', without '<' or '&'. */
static struct span take_value(struct reader *r) {
    skip_blanks(r);
    bool equals = take(r, "=");
    skip_blanks(r);
    if (!equals || r->at == r->end || (*r->at != '"' && *r->at != '\'')) {
        (void)fail(r, ERR_SYNTAX);
        return (struct span){r->at, 0};
    }
    const char quote = *r->at++;
    const char *close = memchr(r->at, quote, (size_t)(r->end - r->at));
    struct span value = {r->at, close != NULL ? (size_t)(close - r->at) : 0};
    if (close == NULL || memchr(value.at, '<', value.len) != NULL || memchr(value.at, '&', value.len) != NULL)
        (void)fail(r, ERR_SYNTAX);
    else
        r->at = close + 1;
    return value;
}

/* ---- pieces ---- */

/* The rest of "<name", with attributes: of them only xmlns means anything, once. */
static struct event read_open(struct reader *r) {
    struct event e = {.kind = OPEN, .name = take_name(r)};
    while (r->error == ERR_OK) {
        const char *before = r->at;
        skip_blanks(r);
        if (take(r, ">"))
            return e;
        if (take(r, "/>")) {
            e.kind = EMPTY;
            return e;
        }
        struct span name = take_name(r);
        struct span value = take_value(r);
        if (before == name.at || r->error != ERR_OK)
            return fail(r, ERR_SYNTAX);
        if (equal(name, "xmlns", 5)) {
            if (e.text.at != NULL)
                return fail(r, ERR_SYNTAX);
            e.text = value;
        }
    }
    return fail(r, ERR_SYNTAX);
}

static struct event read_close(struct reader *r) {
    struct event e = {.kind = CLOSE, .name = take_name(r)};
    skip_blanks(r);
    if (r->error != ERR_OK || !take(r, ">"))
        return fail(r, ERR_SYNTAX);
    return e;
}

/* Behind "<!--": ends at the first "--", which must be "-->". */
static bool skip_comment(struct reader *r) {
    const char *dashes = memmem(r->at, (size_t)(r->end - r->at), "--", 2);
    if (dashes == NULL)
        return false;
    r->at = dashes + 2;
    return take(r, ">");
}

static struct event next(struct reader *r) {
    while (r->error == ERR_OK && r->at < r->end) {
        if (*r->at != '<') {
            const char *stop = memchr(r->at, '<', (size_t)(r->end - r->at));
            struct event e = {.kind = TEXT,
                              .text = {r->at, (size_t)((stop != NULL ? stop : r->end) - r->at)}};
            r->at += e.text.len;
            return memmem(e.text.at, e.text.len, "]]>", 3) == NULL ? e : fail(r, ERR_SYNTAX);
        }
        r->at++;
        if (take(r, "!--")) {
            if (!skip_comment(r))
                return fail(r, ERR_SYNTAX);
        } else if (take(r, "/")) {
            return read_close(r);
        } else {
            return read_open(r);
        }
    }
    return (struct event){.kind = END};
}

/* <?xml version="1.0" encoding="UTF-8"?>, or nothing. */
static void skip_declaration(struct reader *r) {
    if (!take(r, "<?xml"))
        return;
    while (r->error == ERR_OK) {
        const char *before = r->at;
        skip_blanks(r);
        if (take(r, "?>"))
            return;
        struct span name = take_name(r), value = take_value(r);
        if (r->error != ERR_OK || before == name.at)
            break;
        if (equal(name, "encoding", 8) && !(value.len == 5 && strncasecmp(value.at, "utf-8", 5) == 0))
            (void)fail(r, ERR_TYPE);
    }
    (void)fail(r, ERR_SYNTAX);
}

/* ---- characters ---- */

/* One reference at "&…;": its character, 0 if it is none. */
static uint32_t reference(const char **at, const char *end) {
    static const struct {
        char name[8], is;
    } named[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    size_t left = (size_t)(end - *at);
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        size_t len = strlen(named[i].name);
        if (left >= len && memcmp(*at, named[i].name, len) == 0) {
            *at += len;
            return (unsigned char)named[i].is;
        }
    }
    if (left < 4 || (*at)[1] != '#')
        return 0;
    bool hex = (*at)[2] == 'x';
    const char *p = *at + (hex ? 3 : 2), *first = p;
    uint32_t c = 0;
    for (; p < end && p - first < 8; p++) {
        char d = *p;
        if (d >= '0' && d <= '9')
            c = c * (hex ? 16 : 10) + (uint32_t)(d - '0');
        else if (hex && ((d >= 'a' && d <= 'f') || (d >= 'A' && d <= 'F')))
            c = c * 16 + (uint32_t)((d | 32) - 'a') + 10;
        else
            break;
    }
    if (p == first || p == end || *p != ';' || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        return 0;
    *at = p + 1;
    return c;
}

static bool text_sound(struct span s, enum err *e) {
    const char *at = s.at, *end = s.at + s.len;
    while (at < end) {
        uint32_t c = (unsigned char)*at;
        if (c == '&') {
            c = reference(&at, end);
            *e = ERR_SYNTAX;
            if (c == 0)
                return false;
        } else {
            at++;
        }
        *e = ERR_CONTROL;
        if ((c < ' ' && !blank((char)c)) || c == 0x7F)
            return false;
    }
    return true;
}

static bool all_blank(struct span s) {
    while (s.len > 0 && blank(s.at[s.len - 1]))
        s.len--;
    return s.len == 0;
}

/* ---- the whole ---- */

/* Valid UTF-8 (RFC 3629) without control characters, wherever it stands. */
static enum err check_bytes(const char *text, size_t len) {
    const unsigned char *at = (const unsigned char *)text, *end = at + len;
    while (at < end) {
        unsigned char c = *at++;
        if (c < 0x80) {
            if ((c < ' ' && !blank((char)c)) || c == 0x7F)
                return ERR_CONTROL;
            continue;
        }
        size_t more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
        unsigned char low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
        unsigned char high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
        if (c < 0xC2 || c > 0xF4 || (size_t)(end - at) < more || at[0] < low || at[0] > high)
            return ERR_TYPE;
        for (size_t i = 1; i < more; i++) {
            if (at[i] < 0x80 || at[i] > 0xBF)
                return ERR_TYPE;
        }
        at += more;
    }
    return ERR_OK;
}

enum err xml_check(const char *text, size_t len, const char *ns) {
    struct reader r = {.at = text, .end = text + len};
    struct span open[XML_DEPTH_MAX];
    size_t depth = 0;
    bool root = false;
    enum err e = check_bytes(text, len);
    if (e != ERR_OK)
        return e;
    skip_declaration(&r);
    for (struct event v = next(&r); v.kind != END && r.error == ERR_OK; v = next(&r)) {
        bool opens = v.kind == OPEN || v.kind == EMPTY;
        if (v.kind == TEXT && !text_sound(v.text, &e))
            return e;
        if (v.kind == TEXT && depth == 0 && !all_blank(v.text))
            return ERR_SYNTAX;
        if (opens && depth == 0 && root)
            return ERR_SYNTAX;
        if (opens && (v.text.at != NULL ? !equal(v.text, ns, strlen(ns)) : depth == 0))
            return ERR_TYPE;
        if (v.kind == CLOSE && (depth == 0 || !equal(v.name, open[depth - 1].at, open[depth - 1].len)))
            return ERR_SYNTAX;
        root = root || opens;
        if (v.kind == CLOSE)
            depth--;
        if (v.kind == OPEN && depth == XML_DEPTH_MAX)
            return ERR_TOO_DEEP;
        if (v.kind == OPEN)
            open[depth++] = v.name;
    }
    if (r.error != ERR_OK)
        return r.error;
    if (!root)
        return all_blank((struct span){text, len}) ? ERR_EMPTY : ERR_SYNTAX;
    return depth == 0 ? ERR_OK : ERR_SYNTAX;
}

/* ---- one text ---- */

static enum err put_utf8(uint32_t c, char *out, size_t cap, size_t *len) {
    char bytes[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n; i > 1; i--, c >>= 6)
        bytes[i - 1] = (char)(0x80 | (c & 0x3F));
    bytes[0] = (char)(lead[n] | c);
    if (n >= cap - *len)
        return ERR_TOO_LONG;
    memcpy(out + *len, bytes, n);
    *len += n;
    return ERR_OK;
}

static enum err unescape(struct span s, char *out, size_t cap, size_t *len) {
    const char *at = s.at, *end = s.at + s.len;
    enum err e = ERR_OK;
    while (e == ERR_OK && at < end) {
        if (*at == '&') {
            uint32_t c = reference(&at, end);
            e = c < ' ' || c == 0x7F ? ERR_CONTROL : put_utf8(c, out, cap, len);
        } else if (*len + 1 < cap) {
            out[(*len)++] = *at++;
        } else {
            e = ERR_TOO_LONG;
        }
    }
    return e;
}

/* With `words`, line breaks and tabs within it become blanks. */
static enum err finish_text(char *out, size_t len, bool words) {
    size_t from = 0;
    while (len > 0 && blank(out[len - 1]))
        len--;
    while (from < len && blank(out[from]))
        from++;
    memmove(out, out + from, len - from);
    out[len - from] = '\0';
    for (size_t i = 0; i < len - from; i++) {
        if (words && blank(out[i]))
            out[i] = ' ';
        else if ((unsigned char)out[i] < ' ')
            return ERR_CONTROL;
    }
    return len == from ? ERR_EMPTY : ERR_OK;
}

/* From behind the opening tag to the closing one. */
static enum err read_text(struct reader *r, char *out, size_t cap) {
    size_t len = 0;
    for (struct event v = next(r);; v = next(r)) {
        enum err e = v.kind == TEXT ? unescape(v.text, out, cap, &len) : ERR_OK;
        if (v.kind == CLOSE) {
            out[len] = '\0';
            return finish_text(out, len, r->words);
        }
        if (v.kind != TEXT)
            return v.kind == END ? ERR_SYNTAX : ERR_TYPE;
        if (e != ERR_OK)
            return e;
    }
}

/* The next name of a path, and what is behind it. */
static struct span first_name(const char **path) {
    struct span name = {*path, strcspn(*path, "/")};
    *path += name.len + ((*path)[name.len] == '/');
    return name;
}

static enum err find(struct reader *r, const char *path, char *out, size_t cap) {
    struct span wanted = first_name(&path);
    size_t depth = 0, matched = 0; /* elements that are open, and how many of them are the path's */
    skip_declaration(r);
    for (struct event v = next(r); v.kind != END; v = next(r)) {
        bool hit =
            (v.kind == OPEN || v.kind == EMPTY) && depth == matched && equal(v.name, wanted.at, wanted.len);
        if (hit && *path == '\0')
            return v.kind == EMPTY ? ERR_EMPTY : read_text(r, out, cap);
        if (hit && v.kind == OPEN) {
            matched++;
            wanted = first_name(&path);
        }
        if (v.kind == OPEN)
            depth++;
        if (v.kind == CLOSE && --depth < matched)
            return ERR_MISSING; /* the first one of that name does not have it */
    }
    return ERR_MISSING;
}

static enum err find_text(struct reader r, const char *path, char *out, size_t cap) {
    enum err e = find(&r, path, out, cap);
    if (e != ERR_OK)
        wipe(out, cap);
    return e;
}

enum err xml_text(const char *text, size_t len, const char *path, char *out, size_t cap) {
    return find_text((struct reader){.at = text, .end = text + len}, path, out, cap);
}

enum err xml_words(const char *text, size_t len, const char *path, char *out, size_t cap) {
    return find_text((struct reader){.at = text, .end = text + len, .words = true}, path, out, cap);
}
