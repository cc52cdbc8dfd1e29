#include "common/serve/request_text.h"

/* In blocks: vectors of the compiler, which are SSE2 and NEON, and both architectures have them always. In a
 * mark, bytes that are meant are 0xFF, and all others 0. */
enum { BLOCK = 16, FOUR = 4 * BLOCK };
typedef unsigned char block __attribute__((vector_size(BLOCK)));
typedef uint64_t words __attribute__((vector_size(BLOCK)));
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a word's first byte is its lowest");

static block block_at(const char *bytes) {
    block b;
    memcpy(&b, bytes, sizeof b);
    return b;
}

/* How many bytes there are before the first one that is marked; BLOCK: none is. */
static size_t before_marked(block marks) {
    words w = (words)marks;
    if (w[0] != 0)
        return (size_t)__builtin_ctzll(w[0]) / 8;
    return w[1] != 0 ? 8 + (size_t)__builtin_ctzll(w[1]) / 8 : BLOCK;
}

static bool all_marked(block marks) {
    words w = (words)marks;
    return (w[0] & w[1]) == UINT64_MAX;
}

size_t text_blanks(const char *bytes, size_t len) {
    size_t n = 0;
    while (n < len && (bytes[n] == ' ' || bytes[n] == '\t'))
        n++;
    return n;
}

/* ---- values ---- */

static bool is_control(char c) {
    return (unsigned char)c < ' ' || c == 0x7F;
}

static block mark_controls(block b) {
    return (block)((b < ' ') | (b == 0x7F));
}

/* Blanks and visible ASCII: cheaper to tell from the rest, of which there is hardly any. */
static block mark_visible(const char *bytes) {
    typedef signed char signed_block __attribute__((vector_size(BLOCK)));
    return (block)((signed_block)(block_at(bytes) + 1) > ' ');
}

static bool four_visible(const char *bytes) {
    return all_marked(mark_visible(bytes) & mark_visible(bytes + BLOCK) & mark_visible(bytes + 2 * BLOCK) &
                      mark_visible(bytes + 3 * BLOCK));
}

size_t text_value(const char *bytes, size_t len) {
    size_t n = 0, more = BLOCK;
    while (len - n >= FOUR && four_visible(bytes + n))
        n += FOUR;
    for (; more == BLOCK && len - n >= BLOCK; n += more)
        more = before_marked(mark_controls(block_at(bytes + n)));
    while (n < len && !is_control(bytes[n]))
        n++;
    return n;
}

/* ---- names ---- */

/* With the bit that lower case has, which digits and '-' have, too. */
static block lowered(block b) {
    return b | ' ';
}

/* What is neither letter, digit nor '-', of which nearly all names are. */
static block mark_unusual(block b) {
    return ~(block)(((lowered(b) - 'a') < 26) | ((b - '0') < 10) | (b == '-'));
}

size_t text_name(char *out, const char *bytes, size_t len) {
    size_t n = 0, more = BLOCK;
    char c;
    for (; more == BLOCK && len - n >= BLOCK; n += more) {
        block b = block_at(bytes + n), stored = lowered(b);
        more = before_marked(mark_unusual(b));
        memcpy(out + n, &stored, more);
    }
    while (n < len && (c = token_char(bytes[n])) != '\0')
        out[n++] = c;
    return n;
}
