/* A strict reader of HTTP answers, of a few lines, for the target "http": RFC 9112, with the line feed alone
 * as the end of a line (2.2). What it does not understand is no answer, and what it understands the client
 * must have understood the same. */
#ifndef POD_IDENTITY_TESTS_STRICT_ANSWER_H
#define POD_IDENTITY_TESTS_STRICT_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STRICT_BODY_MAX 65536

struct strict {
    bool usable;      /* every line is as it must be, and the body's end is certain */
    bool whole;       /* the body is there up to its end */
    bool by_close;    /* which is that of the connection */
    int status;       /* of the last head */
    size_t heads_len; /* of all heads up to it */
    unsigned lengths, codings, retries;
    size_t length;
    int64_t retry_after_ms; /* 0: it is no number */
    size_t body_len;
    char body[STRICT_BODY_MAX];
};

struct strict_text {
    const char *at, *end;
};

/* Up to the next line feed, which is skipped; false if there is none, or a control character before it. */
static bool strict_line(struct strict_text *in, struct strict_text *line) {
    const char *feed = memchr(in->at, '\n', (size_t)(in->end - in->at));
    if (feed == NULL)
        return false;
    *line = (struct strict_text){in->at, feed > in->at && feed[-1] == '\r' ? feed - 1 : feed};
    in->at = feed + 1;
    for (const char *c = line->at; c < line->end; c++) {
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7F)
            return false;
    }
    return true;
}

static bool is_number(const char *text, size_t len) {
    return len > 0 && len <= 18 && strspn(text, "0123456789") >= len;
}

static bool is_name(const char *line, size_t len) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < len; i++) {
        char c = line[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              memchr(others, c, sizeof others - 1) != NULL))
            return false;
    }
    return len > 0;
}

static bool named(const char *line, size_t len, const char *name) {
    return len == strlen(name) && strncasecmp(line, name, len) == 0;
}

static bool strict_header(struct strict *s, struct strict_text line) {
    const char *colon = memchr(line.at, ':', (size_t)(line.end - line.at));
    size_t name = colon != NULL ? (size_t)(colon - line.at) : 0, len;
    if (!is_name(line.at, name))
        return false;
    const char *value = line.at + name + 1;
    while (value < line.end && (*value == ' ' || *value == '\t'))
        value++;
    while (line.end > value && (line.end[-1] == ' ' || line.end[-1] == '\t'))
        line.end--;
    len = (size_t)(line.end - value);
    if (named(line.at, name, "Content-Length")) {
        s->lengths++;
        s->length = (size_t)strtoull(value, NULL, 10);
        return is_number(value, len);
    }
    if (named(line.at, name, "Transfer-Encoding")) {
        s->codings++;
        return named(value, len, "chunked");
    }
    if (named(line.at, name, "Retry-After")) {
        s->retries++;
        s->retry_after_ms = is_number(value, len) && len < 6 ? (int64_t)atoi(value) * 1000 : 0;
    }
    return true;
}

static bool strict_head(struct strict *s, struct strict_text *in) {
    struct strict_text line;
    s->lengths = s->codings = s->retries = 0;
    s->retry_after_ms = 0;
    if (!strict_line(in, &line) || line.end - line.at < 12 || memcmp(line.at, "HTTP/1.", 7) != 0 ||
        (line.at[7] | 1) != '1' || line.at[8] != ' ' || !is_number(line.at + 9, 3) || line.at[9] == '0' ||
        (line.end - line.at > 12 && line.at[12] != ' '))
        return false;
    s->status = atoi(line.at + 9);
    bool old = line.at[7] == '0';
    for (;;) {
        if (!strict_line(in, &line))
            return false;
        if (line.at == line.end)
            return s->lengths + s->codings <= 1 && !(old && s->codings > 0);
        if (!strict_header(s, line))
            return false;
    }
}

static bool strict_put(struct strict *s, struct strict_text *in, size_t len) {
    size_t there = (size_t)(in->end - in->at);
    s->whole = len <= there;
    len = s->whole ? len : there;
    if (len > STRICT_BODY_MAX - s->body_len)
        return false;
    memcpy(s->body + s->body_len, in->at, len);
    s->body_len += len;
    in->at += len;
    return true;
}

/* False: it is malformed. What follows a size is not looked at, but for where it must begin. */
static bool strict_chunks(struct strict *s, struct strict_text *in) {
    for (;;) {
        size_t digits = 0, size = 0;
        for (; in->at < in->end && digits <= 16; in->at++, digits++) {
            const char *all = "0123456789abcdef0123456789ABCDEF", *digit = memchr(all, *in->at, 32);
            if (digit == NULL)
                break;
            size = size * 16 + (size_t)(digit - all) % 16;
        }
        s->whole = false;
        const char *feed = memchr(in->at, '\n', (size_t)(in->end - in->at));
        if (in->at == in->end)
            return digits <= 16;
        if (digits == 0 || digits > 16 || size > INT64_MAX || memchr("\r\n\t ;", *in->at, 5) == NULL)
            return false;
        if (feed == NULL)
            return true;
        in->at = feed + 1;
        if (size == 0)
            break;
        if (!strict_put(s, in, size))
            return false;
        if (!s->whole)
            return true;
        while (in->at < in->end && *in->at == '\r')
            in->at++;
        s->whole = false;
        if (in->at == in->end)
            return true;
        if (*in->at++ != '\n')
            return false;
    }
    struct strict trailer;
    for (struct strict_text line; memchr(in->at, '\n', (size_t)(in->end - in->at)) != NULL;) {
        trailer.lengths = trailer.codings = trailer.retries = 0;
        if (!strict_line(in, &line))
            return false;
        if (line.at == line.end) {
            s->whole = true;
            return true;
        }
        if (!strict_header(&trailer, line) || trailer.lengths + trailer.codings > 0)
            return false;
    }
    return true;
}

/* All heads of an answer up to the last, which is the answer's own, and its body. */
static inline const struct strict *read_strictly(const char *bytes, size_t len) {
    static struct strict s;
    struct strict_text in = {bytes, bytes + len};
    s = (struct strict){.usable = false};
    do {
        if (!strict_head(&s, &in))
            return &s;
        s.heads_len = (size_t)(in.at - bytes);
    } while (s.status / 100 == 1 && s.status != 101);
    s.by_close = s.lengths + s.codings == 0;
    if (s.status == 204 || s.status == 304)
        s.usable = s.whole = true;
    else if (s.codings > 0)
        s.usable = strict_chunks(&s, &in);
    else
        s.usable = strict_put(&s, &in, s.lengths > 0 ? s.length : (size_t)(in.end - in.at));
    return &s;
}

#endif
