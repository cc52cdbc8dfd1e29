/* Shared credentials files: the keys are in the profile once afterwards, nothing else is lost or added, and
 * doing it again changes nothing. */
#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <stddef.h>

#include "common/text/ini.h"

#define KEY "key_of_ours"
#define BODY KEY " = 1\n"
#define IN_MAX 60000

static char first[2 * IN_MAX], second[2 * IN_MAX];

static const char *line_end(const char *line, const char *end) {
    while (line < end && *line != '\n' && *line != '\r')
        line++;
    if (line < end && *line == '\r' && line + 1 < end && line[1] == '\n')
        return line + 2;
    return line < end ? line + 1 : line;
}

static bool mentions(const char *line, const char *end, const char *word) {
    size_t len = strlen(word);
    for (; (size_t)(end - line) >= len; line++) {
        if (strncasecmp(line, word, len) == 0)
            return true;
    }
    return false;
}

/* Lines that stay, whatever the reading: not indented (so of no other setting), no header, without our keys.
 */
static bool must_stay(const char *line, const char *end) {
    return !isspace((unsigned char)*line) && *line != '[' && (*line & 0x80) == 0 &&
           (*line < 0x1C || *line > 0x1F) && !mentions(line, end, KEY) &&
           !mentions(line, end, "aws_security_token") && !mentions(line, end, "aws_account_id");
}

static bool same_line(const char *a, const char *a_end, const char *b, const char *b_end) {
    while (a_end > a && (a_end[-1] == '\n' || a_end[-1] == '\r'))
        a_end--;
    while (b_end > b && (b_end[-1] == '\n' || b_end[-1] == '\r'))
        b_end--;
    return a_end - a == b_end - b && memcmp(a, b, (size_t)(a_end - a)) == 0;
}

/* With the end of the line. A CR may now stand before the LF of an empty line, where a header between the two
 * is gone. */
static bool same_bytes(const char *a, const char *a_end, const char *line, const char *end) {
    ptrdiff_t len = end - line;
    bool joined = end[-1] == '\r' && a_end - a == len + 1 && a_end[-1] == '\n';
    return (a_end - a == len || joined) && memcmp(a, line, (size_t)len) == 0;
}

/* Byte for byte; only the last line may have lacked its end. */
static void check_nothing_lost(const char *in, size_t len, const char *out, size_t out_len) {
    const char *end = in + len, *at = out, *out_end = out + out_len;
    for (const char *line = in; line < end; line = line_end(line, end)) {
        const char *next = line_end(line, end);
        if (!must_stay(line, next))
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

/* Every line of the result was there, but for ours and one header. */
static void check_nothing_added(const char *in, size_t len, const char *out, size_t out_len) {
    const char *end = in + len, *out_end = out + out_len;
    unsigned added = 0;
    for (const char *line = out; line < out_end && len < 4096; line = line_end(line, out_end)) {
        const char *next = line_end(line, out_end), *found = in;
        while (found < end && !same_line(found, line_end(found, end), line, next))
            found = line_end(found, end);
        added += found == end;
    }
    HOLDS(added <= 3); /* a blank line, the header, the key */
}

static void replace(const char *in, size_t len, const char *profile) {
    struct buf out = BUF(first), again = BUF(second);
    enum err e = ini_replace_profile(in, len, profile, BODY, &out);
    if (len > 0 && memchr(in, '\0', len) != NULL) {
        HOLDS(e == ERR_CONTROL);
        return;
    }
    HOLDS(e == ERR_OK);
    HOLDS(strstr(out.data, BODY) != NULL);
    check_nothing_lost(in, len, out.data, out.len);
    check_nothing_added(in, len, out.data, out.len);
    HOLDS(ini_replace_profile(out.data, out.len, profile, BODY, &again) == ERR_OK);
    HOLDS(again.len == out.len && memcmp(again.data, out.data, out.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > IN_MAX)
        return 0;
    const char *in = (const char *)data;
    replace(in, size, "default");
    replace(in, size, "p");
    /* A name out of the input itself. */
    char name[INI_PROFILE_MAX] = "";
    size_t len = size < 8 ? size : 8;
    memcpy(name, in, len);
    if (ini_profile_valid(name))
        replace(in + len, size - len, name);
    return 0;
}
