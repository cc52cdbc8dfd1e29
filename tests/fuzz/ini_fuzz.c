/* The shared credentials file: after a replacement every line that is not the profile's own is still there in
 * order, and a second replacement changes nothing more. */
#include "tests/fuzz/fuzz.h"

#include "common/ini.h"

#define BODY "aws_access_key_id = A\n"

static size_t count(const char *text, size_t len, const char *what) {
    size_t n = 0, what_len = strlen(what);
    for (const char *at = text; (at = memmem(at, len - (size_t)(at - text), what, what_len)) != NULL;
         at += what_len)
        n += at == text || at[-1] == '\n';
    return n;
}

/* Each line of `in` outside of [p], in its order, in `out`. */
static void others_kept(const char *in, size_t len, const char *out, size_t out_len) {
    const char *from = out, *end = in + len;
    bool ours = false;
    for (const char *at = in; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t n = newline != NULL ? (size_t)(newline - at) + 1 : (size_t)(end - at);
        if (at[0] == '[') {
            const char *name = at + 1;
            size_t left = n - 1;
            while (left > 0 && strchr(" \t\r\n", *name) != NULL)
                name++, left--;
            ours = left > 1 && name[0] == 'p' && (name[1] == ']' || strchr(" \t\r\n", name[1]) != NULL);
            if (ours && name[1] != ']')
                return; /* blanks within the brackets: too subtle to tell here */
        }
        if (!ours) {
            const char *found = memmem(from, (size_t)(out + out_len - from), at, n);
            HOLDS(found != NULL);
            from = found + n;
        }
        at += n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char once[70000], twice[70000];
    struct buf a = BUF(once), b = BUF(twice);
    if (size > 65536)
        return 0;
    enum err e = ini_replace_profile((const char *)data, size, "p", BODY, &a);
    HOLDS((e == ERR_CONTROL) == (size > 0 && memchr(data, '\0', size) != NULL));
    if (e != ERR_OK)
        return 0;
    HOLDS(count(a.data, a.len, "[p]\n" BODY) == 1);
    others_kept((const char *)data, size, a.data, a.len);
    HOLDS(ini_replace_profile(a.data, a.len, "p", BODY, &b) == ERR_OK);
    HOLDS(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
    return 0;
}
