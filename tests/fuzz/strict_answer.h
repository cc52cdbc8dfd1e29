/* A strict reader of HTTP answers, of a few lines, for the target "http": where it understands an answer, the
 * client must have understood the same. */
#ifndef POD_IDENTITY_TESTS_STRICT_ANSWER_H
#define POD_IDENTITY_TESTS_STRICT_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct strict {
    bool usable;      /* every line is as RFC 9112 has it */
    int status;       /* of the last head */
    size_t heads_len; /* of all heads up to it */
    unsigned lengths, retries;
    bool coded;
    size_t length;
    int64_t retry_after_ms;
};

static bool is_number(const char *text, size_t len) {
    return len > 0 && len < 8 && strspn(text, "0123456789") >= len;
}

static bool is_name(const char *line, size_t len) {
    for (size_t i = 0; i < len; i++) {
        char c = line[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-'))
            return false;
    }
    return len > 0;
}

static bool strict_header(struct strict *s, const char *line, size_t len) {
    const char *colon = memchr(line, ':', len);
    if (colon == NULL || !is_name(line, (size_t)(colon - line)) || colon[1] != ' ')
        return false;
    const char *value = colon + 2;
    size_t name_len = (size_t)(colon - line), value_len = len - name_len - 2;
    if (name_len == 14 && strncasecmp(line, "Content-Length", 14) == 0) {
        s->lengths++;
        s->length = (size_t)atoi(value);
        return is_number(value, value_len);
    }
    if (name_len == 11 && strncasecmp(line, "Retry-After", 11) == 0) {
        s->retries++;
        s->retry_after_ms = (int64_t)atoi(value) * 1000;
        return is_number(value, value_len) && s->retry_after_ms <= 86400000;
    }
    s->coded = s->coded || (name_len == 17 && strncasecmp(line, "Transfer-Encoding", 17) == 0);
    return true;
}

static bool strict_head(struct strict *s, const char *at, const char *end) {
    if (end - at < 14 || memcmp(at, "HTTP/1.1 ", 9) != 0 || !is_number(at + 9, 3) || at[12] != ' ')
        return false;
    *s = (struct strict){.heads_len = s->heads_len, .status = atoi(at + 9)};
    for (const char *line = at, *next; line < end; line = next) {
        next = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        for (const char *c = line; c < next; c++) {
            if (*c < ' ' || *c > '~')
                return false;
        }
        if (line != at && !strict_header(s, line, (size_t)(next - line)))
            return false;
        next += 2;
    }
    return true;
}

/* All heads of an answer up to the last, which is the answer's own. */
static inline struct strict read_strictly(const char *bytes, size_t len) {
    struct strict s = {.heads_len = 0};
    do {
        const char *at = bytes + s.heads_len, *end = memmem(at, len - s.heads_len, "\r\n\r\n", 4);
        if (end == NULL || !strict_head(&s, at, end))
            return s;
        s.heads_len = (size_t)(end + 4 - bytes);
    } while (s.status / 100 == 1 && s.status != 101);
    s.usable = s.status >= 200 && s.status <= 599;
    return s;
}

#endif
