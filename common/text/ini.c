#include "common/text/ini.h"

#include <string.h>
#include <strings.h>

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

bool ini_profile_valid(const char *profile) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.@+=,:/";
    size_t len = strnlen(profile, INI_PROFILE_MAX);
    return len > 0 && len < INI_PROFILE_MAX && strspn(profile, allowed) == len;
}

bool ini_is(struct ini_word word, const char *text) {
    return word.len == strlen(text) && memcmp(word.at, text, word.len) == 0;
}

bool ini_is_key(struct ini_word word, const char *text) {
    return word.len == strlen(text) && strncasecmp(word.at, text, word.len) == 0;
}

/* ---- reading ---- */

/* Python's str.isspace() for ASCII. */
static bool blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1C && c <= 0x1F);
}

/* The no-break space, which comes with text from a web page. */
static bool no_break(const char *at) {
    return at[0] == '\xC2' && at[1] == '\xA0';
}

struct ini_word ini_trimmed(const char *at, const char *end) {
    for (size_t n = 1; n > 0 && at < end; at += n)
        n = blank(*at) ? 1 : end - at > 1 && no_break(at) ? 2 : 0;
    for (size_t n = 1; n > 0 && end > at; end -= n)
        n = blank(end[-1]) ? 1 : end - at > 1 && no_break(end - 2) ? 2 : 0;
    return (struct ini_word){at, (size_t)(end - at)};
}

/* Cuts off the next line; *stop is where its text ends. */
static struct ini_word next_line(struct ini_reader *r, const char **stop) {
    const char *at = r->at, *p = at;
    while (p < r->end && *p != '\n' && *p != '\r')
        p++;
    *stop = p;
    if (p < r->end)
        p += *p == '\r' && p + 1 < r->end && p[1] == '\n' ? 2 : 1;
    r->at = p;
    return (struct ini_word){at, (size_t)(p - at)};
}

static void split_setting(struct ini_word text, struct ini_line *out) {
    const char *end = text.at + text.len, *mark = text.at;
    while (mark < end && *mark != '=' && *mark != ':')
        mark++;
    out->name = ini_trimmed(text.at, mark);
    out->kind = mark == end || out->name.len == 0 ? INI_WRONG : INI_SETTING;
    if (mark < end)
        out->value = ini_trimmed(mark + 1, end);
}

bool ini_next(struct ini_reader *r, struct ini_line *out) {
    const char *stop, *start = r->at;
    if (r->at == r->end)
        return false;
    memset(out, 0, sizeof *out);
    out->whole = next_line(r, &stop);
    if (!r->begun && stop - start >= 3 && memcmp(start, BYTE_ORDER_MARK, 3) == 0)
        start += 3;
    r->begun = true;
    struct ini_word text = ini_trimmed(start, stop);
    if (text.len == 0 || *text.at == '#' || *text.at == ';')
        return true; /* a remark, which changes nothing */
    out->indent = (size_t)(text.at - start);
    if (r->in_setting && out->indent > r->indent) {
        out->kind = INI_CONTINUATION;
        out->value = text;
        return true;
    }
    r->indent = out->indent;
    const char *close = memrchr(text.at, ']', text.len);
    if (*text.at == '[' && close != NULL && close > text.at + 1) {
        out->kind = INI_SECTION;
        out->name = (struct ini_word){text.at + 1, (size_t)(close - text.at - 1)};
    } else {
        split_setting(text, out);
    }
    r->in_setting = out->kind == INI_SETTING;
    return true;
}

/* ---- replacing ---- */

static bool among_keys_of(const char *body, struct ini_word name) {
    struct ini_reader r = {.at = body, .end = body + strlen(body)};
    struct ini_line line;
    while (ini_next(&r, &line)) {
        if (line.kind == INI_SETTING && line.name.len == name.len &&
            strncasecmp(line.name.at, name.at, name.len) == 0)
            return true;
    }
    return false;
}

/* Also what would go with the old credentials: botocore takes aws_security_token before the newer name. */
static bool of_ours(const char *body, struct ini_word name) {
    return ini_is_key(name, "aws_security_token") || ini_is_key(name, "aws_account_id") ||
           among_keys_of(body, name);
}

/* The header as most SDKs read it: up to the first bracket that closes, without blanks. */
static bool names(const struct ini_line *line, const char *profile) {
    if (line->kind != INI_SECTION)
        return false;
    const char *end = line->name.at + line->name.len, *close = memchr(line->name.at, ']', line->name.len);
    return ini_is(ini_trimmed(line->name.at, close != NULL ? close : end), profile);
}

/* A bracket that does not close is meant as one. */
static bool ends_section(const struct ini_line *line) {
    return line->kind == INI_SECTION || (line->kind == INI_WRONG && line->whole.at[line->indent] == '[');
}

/* What is in the rest of a section besides our keys, and what comes behind it. */
struct rest {
    bool settings;          /* there are some */
    struct ini_word blanks; /* that the first of them begins with; where there is none, the header behind */
    struct ini_line header; /* the one behind; all zero at the end of the file */
};

static struct rest look_ahead(struct ini_reader *r, const char *body) {
    struct rest rest = {.blanks = {"", 0}};
    struct ini_line line;
    while (ini_next(r, &line)) {
        bool header = ends_section(&line);
        bool theirs = line.kind == INI_WRONG || (line.kind == INI_SETTING && !of_ours(body, line.name));
        if ((header || theirs) && !rest.settings)
            rest.blanks = (struct ini_word){line.whole.at, line.indent};
        if (header) {
            rest.header = line;
            break;
        }
        rest.settings = rest.settings || theirs;
    }
    return rest;
}

struct edit {
    const char *profile, *body;
    struct buf *out;
    bool written, ours, dropping; /* in a section of ours; in a setting that goes */
    bool at_end;                  /* the body follows the settings of this section */
    size_t settled;               /* where in out the last thing that is no remark ends */
    const char *judged_until;     /* see goes() */
    bool judged;
};

static void end_line(struct buf *out) {
    if (out->len > 0 && out->data[out->len - 1] != '\n' && out->data[out->len - 1] != '\r')
        buf_char(out, '\n');
}

static void put_body(struct edit *e, struct ini_word blanks) {
    for (const char *at = e->body; *at != '\0';) {
        size_t len = strcspn(at, "\n") + 1;
        buf_put(e->out, blanks.at, blanks.len);
        buf_put(e->out, at, len);
        at += len;
    }
    e->written = true;
}

/* Puts the body where the settings of the section ended, ahead of remarks that may belong to the next one. */
static void put_body_at_end(struct edit *e) {
    size_t len = strlen(e->body), tail = e->out->len - e->settled;
    if (e->settled > 0 && e->out->data[e->settled - 1] != '\n' && tail == 0) {
        end_line(e->out);
        e->settled = e->out->len;
    }
    for (size_t i = 0; i < len; i++) /* room for it */
        buf_char(e->out, ' ');
    if (!e->out->overflow) {
        memmove(e->out->data + e->settled + len, e->out->data + e->settled, tail);
        memcpy(e->out->data + e->settled, e->body, len);
    }
    e->written = true;
    e->at_end = false;
}

static void put_header(struct edit *e, const struct ini_line *line) {
    const char *start = line->name.at - 1 - line->indent;
    if (ini_is(line->name, e->profile)) {
        buf_put(e->out, line->whole.at, line->whole.len);
        end_line(e->out);
        return;
    }
    buf_put(e->out, line->whole.at, (size_t)(start - line->whole.at) + line->indent);
    buf_fmt(e->out, "[%s]\n", e->profile); /* botocore would read another name out of it */
}

/* A header that comes once more goes if nothing else is in its section, and if what follows would not become
 * a part of what stands above. Of several in a row, all go or none. */
static bool goes(struct edit *e, struct ini_reader r) {
    struct rest rest = look_ahead(&r, e->body);
    if (rest.settings || r.at <= e->judged_until)
        return !rest.settings && e->judged;
    while (names(&rest.header, e->profile)) {
        struct ini_line next = rest.header;
        rest = look_ahead(&r, e->body);
        if (rest.settings) {
            rest.header = next;
            break;
        }
    }
    e->judged_until = r.at;
    e->judged = rest.header.indent == 0;
    return e->judged;
}

static void begin_ours(struct edit *e, const struct ini_line *line, struct ini_reader reader) {
    if (e->written) {
        if (!goes(e, reader))
            buf_put(e->out, line->whole.at, line->whole.len);
        return;
    }
    struct rest rest = look_ahead(&reader, e->body);
    put_header(e, line);
    if (names(&rest.header, e->profile) && goes(e, reader)) {
        rest.header.indent = 0;
        rest.blanks.len = rest.settings ? rest.blanks.len : 0;
    }
    e->at_end = rest.settings && rest.blanks.len > 0 && rest.header.indent == 0;
    if (!e->at_end)
        put_body(e, rest.blanks);
}

static void take_line(struct edit *e, const struct ini_line *line, const struct ini_reader *reader) {
    if (ends_section(line)) {
        if (e->ours && e->at_end)
            put_body_at_end(e);
        e->ours = names(line, e->profile);
        e->dropping = false;
        if (e->ours)
            begin_ours(e, line, *reader);
        else
            buf_put(e->out, line->whole.at, line->whole.len);
        e->settled = e->out->len;
        return;
    }
    if (line->kind == INI_SETTING)
        e->dropping = e->ours && of_ours(e->body, line->name);
    else if (line->kind == INI_WRONG)
        e->dropping = false;
    if (e->dropping && line->kind != INI_REMARK)
        return;
    buf_put(e->out, line->whole.at, line->whole.len);
    if (line->kind != INI_REMARK)
        e->settled = e->out->len;
}

enum err ini_replace_profile(const char *in, size_t len, const char *profile, const char *body,
                             struct buf *out) {
    struct ini_reader reader = {.at = in, .end = in + len};
    struct edit e = {.profile = profile, .body = body, .out = out, .judged_until = in};
    struct ini_line line;
    if (len > 0 && memchr(in, '\0', len) != NULL)
        return ERR_CONTROL;
    while (ini_next(&reader, &line))
        take_line(&e, &line, &reader);
    if (e.at_end)
        put_body_at_end(&e);
    if (!e.written) {
        end_line(out);
        if (out->len > 0)
            buf_char(out, '\n');
        buf_fmt(out, "[%s]\n", profile);
        put_body(&e, (struct ini_word){"", 0});
    }
    return out->overflow ? ERR_TOO_LONG : ERR_OK;
}
