/* Characters and words of a request's head. In a header, since a parser asks for them at each byte. */
#ifndef POD_IDENTITY_SERVE_REQUEST_TEXT_H
#define POD_IDENTITY_SERVE_REQUEST_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

static inline char lower(char c) {
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* What a name has for that byte, in lower case; NUL: no name has it. RFC 9110 5.6.2, token. */
static inline char token_char(char c) {
    static const char tokens[128] = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                    "\0!\0#$%&'\0\0*+\0-.\0"
                                    "0123456789\0\0\0\0\0\0"
                                    "\0abcdefghijklmnopqrstuvwxyz\0\0\0^_"
                                    "`abcdefghijklmnopqrstuvwxyz\0|\0~";
    return (unsigned char)c < sizeof tokens ? tokens[(unsigned char)c] : '\0';
}

static inline int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether a comma-separated list has the word, in any case. */
static inline bool has_word(const char *list, const char *word) {
    size_t word_len = strlen(word);
    while (*list != '\0') {
        list += strspn(list, " \t,");
        size_t len = strcspn(list, " \t,");
        if (len == word_len && strncasecmp(list, word, len) == 0)
            return true;
        list += len;
    }
    return false;
}

/* Many at once; each returns how many of len bytes there are before the first one that is something else. */

size_t text_blanks(const char *bytes, size_t len);
/* What a value has: no control characters. A tab, which a value may have, ends it, too: request.c takes that
 * one by itself. */
size_t text_value(const char *bytes, size_t len);
/* What a name has; out gets it in lower case, and has room for len characters. */
size_t text_name(char *out, const char *bytes, size_t len);

#endif
