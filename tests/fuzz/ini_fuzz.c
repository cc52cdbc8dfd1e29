/* Shared credentials files: the profile is there once afterwards, nothing of the others is lost, and doing it
 * again changes nothing. */
#include "tests/fuzz/fuzz.h"

#include "common/text/ini.h"

#define BODY "key_of_ours = 1\n"
#define IN_MAX 60000

static char first[2 * IN_MAX], second[2 * IN_MAX];

/* A section header of this name at the start of a line, as readers see it: an implementation of its own. */
static bool names_section(const char *line, const char *end, const char *name) {
    if (line == end || *line != '[')
        return false;
    line++;
    while (line < end && strchr(" \t\r\n", *line) != NULL)
        line++;
    size_t len = strlen(name);
    if ((size_t)(end - line) < len || memcmp(line, name, len) != 0)
        return false;
    for (line += len; line < end && strchr(" \t\r\n", *line) != NULL; line++)
        continue;
    return line < end && *line == ']';
}

static const char *line_end(const char *line, const char *end) {
    const char *newline = memchr(line, '\n', (size_t)(end - line));
    return newline != NULL ? newline + 1 : end;
}

/* Every line of other sections is in the result, in order; comments of ours may be as well. */
static void check_nothing_lost(const char *in, size_t len, const char *out, size_t out_len,
                               const char *profile) {
    const char *end = in + len, *at = out, *out_end = out + out_len;
    bool ours = false;
    for (const char *line = in; line < end; line = line_end(line, end)) {
        const char *next = line_end(line, end);
        if (*line == '[')
            ours = names_section(line, next, profile);
        if (ours)
            continue;
        size_t n = (size_t)(next - line);
        for (;; at = line_end(at, out_end)) {
            HOLDS(at < out_end);
            if ((size_t)(out_end - at) >= n && memcmp(at, line, n) == 0)
                break;
        }
        at += n;
    }
}

static size_t count_sections(const char *text, size_t len, const char *profile) {
    size_t count = 0;
    for (const char *line = text, *end = text + len; line < end; line = line_end(line, end))
        count += names_section(line, line_end(line, end), profile);
    return count;
}

static void replace(const char *in, size_t len, const char *profile) {
    struct buf out = BUF(first), again = BUF(second);
    enum err e = ini_replace_profile(in, len, profile, BODY, &out);
    if (len > 0 && memchr(in, '\0', len) != NULL) {
        HOLDS(e == ERR_CONTROL);
        return;
    }
    HOLDS(e == ERR_OK);
    HOLDS(count_sections(out.data, out.len, profile) == 1);
    char section[INI_PROFILE_MAX + sizeof BODY + 8];
    snprintf(section, sizeof section, "[%s]\n" BODY, profile);
    HOLDS(strstr(out.data, section) != NULL);
    check_nothing_lost(in, len, out.data, out.len, profile);
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
