#include "common/text/ini.h"

#include <string.h>

bool ini_profile_valid(const char *profile) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.@+=,:/";
    size_t len = strnlen(profile, INI_PROFILE_MAX);
    return len > 0 && len < INI_PROFILE_MAX && strspn(profile, allowed) == len;
}

struct line {
    const char *at;
    size_t len; /* with the newline, if there is one */
};

static struct line next_line(const char *at, const char *end) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return (struct line){at, newline != NULL ? (size_t)(newline - at) + 1 : (size_t)(end - at)};
}

static bool blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A comment or an empty line: what belongs to the section that follows it. */
static bool is_remark(struct line l) {
    size_t i = 0;
    while (i < l.len && blank(l.at[i]))
        i++;
    return i == l.len || l.at[i] == '#' || l.at[i] == ';';
}

/* "[name]" at the very start of a line, with blanks allowed within the brackets, as the SDKs read it. An
 * indented bracket is a continuation of a value. */
static bool is_section(struct line l) {
    return l.len > 0 && l.at[0] == '[';
}

static bool is_section_named(struct line l, const char *name) {
    size_t i = 1, name_len = strlen(name);
    while (i < l.len && blank(l.at[i]))
        i++;
    if (l.len - i < name_len || memcmp(l.at + i, name, name_len) != 0)
        return false;
    for (i += name_len; i < l.len && blank(l.at[i]); i++)
        continue;
    return i < l.len && l.at[i] == ']';
}

static void put_section(struct buf *out, const char *profile, const char *body) {
    buf_char(out, '[');
    buf_str(out, profile);
    buf_str(out, "]\n");
    buf_str(out, body);
}

enum err ini_replace_profile(const char *in, size_t len, const char *profile, const char *body,
                             struct buf *out) {
    const char *end = in + len;
    if (len > 0 && memchr(in, '\0', len) != NULL)
        return ERR_CONTROL;
    bool written = false, ours = false;
    const char *remarks = NULL; /* the first of the remarks that may belong to the next section */
    for (const char *at = in; at < end;) {
        struct line l = next_line(at, end);
        at += l.len;
        if (is_section(l)) {
            bool was_ours = ours;
            ours = is_section_named(l, profile);
            if (was_ours && remarks != NULL)
                buf_put(out, remarks, (size_t)(l.at - remarks));
            if (ours && !written)
                put_section(out, profile, body);
            written = written || ours;
        }
        if (!ours)
            buf_put(out, l.at, l.len);
        if (!is_remark(l))
            remarks = NULL;
        else if (remarks == NULL)
            remarks = l.at;
    }
    if (ours && remarks != NULL)
        buf_put(out, remarks, (size_t)(end - remarks));
    if (!written) {
        if (len > 0 && end[-1] != '\n')
            buf_char(out, '\n');
        if (len > 0)
            buf_char(out, '\n');
        put_section(out, profile, body);
    }
    return out->overflow ? ERR_TOO_LONG : ERR_OK;
}
