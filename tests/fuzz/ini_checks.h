/* What must be true of a file of AWS's form after keys were put into it, for the targets "ini" and "sinks".
 */
#ifndef POD_IDENTITY_TESTS_INI_CHECKS_H
#define POD_IDENTITY_TESTS_INI_CHECKS_H

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "tests/fuzz/fuzz.h"

static inline const char *line_end(const char *line, const char *end) {
    while (line < end && *line != '\n' && *line != '\r')
        line++;
    if (line < end && *line == '\r' && line + 1 < end && line[1] == '\n')
        return line + 2;
    return line < end ? line + 1 : line;
}

static inline bool mentions(const char *line, const char *end, const char *word) {
    size_t len = strlen(word);
    for (; (size_t)(end - line) >= len; line++) {
        if (strncasecmp(line, word, len) == 0)
            return true;
    }
    return false;
}

/* Lines that stay, whatever the reading: not indented (so of no other setting), no header, without our keys
 * (the last of which is NULL). */
static inline bool must_stay(const char *line, const char *end, const char *const *keys) {
    for (; *keys != NULL; keys++) {
        if (mentions(line, end, *keys))
            return false;
    }
    return !isspace((unsigned char)*line) && *line != '[' && (*line & 0x80) == 0 &&
           (*line < 0x1C || *line > 0x1F);
}

static inline bool same_line(const char *a, const char *a_end, const char *b, const char *b_end) {
    while (a_end > a && (a_end[-1] == '\n' || a_end[-1] == '\r'))
        a_end--;
    while (b_end > b && (b_end[-1] == '\n' || b_end[-1] == '\r'))
        b_end--;
    return a_end - a == b_end - b && memcmp(a, b, (size_t)(a_end - a)) == 0;
}

/* With the end of the line. A CR may now stand before the LF of an empty line, where a header between the two
 * is gone. */
static inline bool same_bytes(const char *a, const char *a_end, const char *line, const char *end) {
    ptrdiff_t len = end - line;
    bool joined = end[-1] == '\r' && a_end - a == len + 1 && a_end[-1] == '\n';
    return (a_end - a == len || joined) && memcmp(a, line, (size_t)len) == 0;
}

/* Byte for byte; only the last line may have lacked its end. */
static inline void check_nothing_lost(const char *in, size_t len, const char *out, size_t out_len,
                                      const char *const *keys) {
    const char *end = in + len, *at = out, *out_end = out + out_len;
    for (const char *line = in; line < end; line = line_end(line, end)) {
        const char *next = line_end(line, end);
        if (!must_stay(line, next, keys))
            continue;
        for (;; at = line_end(at, out_end)) {
            HOLDS(at < out_end);
            const char *at_next = line_end(at, out_end);
            if (next < end ? same_bytes(at, at_next, line, next) : same_line(at, at_next, line, next))
                break;
        }
        at = line_end(at, out_end);
    }
}

#endif
