/* Shared credentials files: the keys are in the profile once afterwards, nothing else is lost or added, and
 * doing it again changes nothing. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/ini_checks.h"

#include "common/text/ini.h"

#define KEY "key_of_ours"
#define BODY KEY " = 1\n"
#define IN_MAX 60000

static const char *const keys[] = {KEY, "aws_security_token", "aws_account_id", NULL};
static char first[2 * IN_MAX], second[2 * IN_MAX];

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
    check_nothing_lost(in, len, out.data, out.len, keys);
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
