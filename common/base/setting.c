#include "common/base/setting.h"

#include <string.h>

static bool blank(char c) {
    return c == ' ' || c == '\t';
}

static bool line_break(char c) {
    return c == '\n' || c == '\r';
}

/* Of UTF-8: the no-break space and the quotes that word processors and chats put in. */
static const char *typographic(const char *value) {
    static const char marks[][4] = {"\xE2\x80\x9C", "\xE2\x80\x9D", "\xE2\x80\x98", "\xE2\x80\x99",
                                    "\xE2\x80\x9E", "\xC2\xAB",     "\xC2\xBB"};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (strstr(value, marks[i]) != NULL)
            return "holds typographic quotes";
    }
    return strstr(value, "\xC2\xA0") != NULL ? "holds a no-break space" : NULL;
}

const char *setting_flaw(const char *value) {
    size_t len = strlen(value);
    if (len == 0)
        return NULL;
    char first = value[0], last = value[len - 1];
    if (line_break(last))
        return "ends in a line break";
    if (blank(last))
        return "ends in a blank";
    if (blank(first) || line_break(first))
        return "begins with a blank or line break";
    if (strstr(value, "${") != NULL || strstr(value, "$(") != NULL || strstr(value, "{{") != NULL)
        return "holds a reference that was not expanded";
    if (len > 1 && first == last && (first == '"' || first == '\''))
        return "stands in quotes that belong to it";
    for (const char *p = value; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7F)
            return "holds a line break or another control character";
    }
    return typographic(value);
}

/* The '@' behind which the host of a URL begins, if value + 1 is behind the scheme of one that has user
 * information. */
static const char *user_ends(const char *value) {
    const char *at = NULL;
    for (const char *c = value; *c != '\0' && strchr(" \t\r\n", *c) == NULL; c++) {
        if (*c == '@')
            at = c;
    }
    return at;
}

void setting_quote(struct buf *message, const char *value) {
    size_t len = strnlen(value, SETTING_SHOWN_MAX + 1),
           shown = len > SETTING_SHOWN_MAX ? SETTING_SHOWN_MAX : len;
    buf_char(message, '"');
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)value[i];
        if (c == '\n' || c == '\r' || c == '\t') {
            buf_str(message, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
            continue;
        }
        buf_printable(message, value + i, 1, 1);
        const char *at = i >= 2 && strncmp(value + i - 2, "://", 3) == 0 ? user_ends(value + i + 1) : NULL;
        if (at != NULL) { /* a URL where none belongs may have a password all the same */
            buf_str(message, "[redacted]");
            i = (size_t)(at - value) - 1;
        }
    }
    buf_str(message, len > shown ? "...\"" : "\"");
}
