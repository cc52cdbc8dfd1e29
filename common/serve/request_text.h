/* Characters and words of a request's head. In a header, since a parser asks for them at each byte. */
#ifndef POD_IDENTITY_SERVE_REQUEST_TEXT_H
#define POD_IDENTITY_SERVE_REQUEST_TEXT_H

#include <stdbool.h>
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

#define PRINTABLE_BLOCK 16

/* Whether none of so many bytes is a control character. Vectors of the compiler: SSE2 and NEON, which both
 * architectures have always. */
static inline bool all_printable(const char *bytes) {
    typedef unsigned char block __attribute__((vector_size(PRINTABLE_BLOCK)));
    typedef uint64_t words __attribute__((vector_size(PRINTABLE_BLOCK)));
    block b;
    memcpy(&b, bytes, sizeof b);
    words controls = (words)((b < ' ') | (b == 0x7F));
    return (controls[0] | controls[1]) == 0;
}

#endif
