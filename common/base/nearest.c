#include "common/base/nearest.h"

#include <string.h>

#define WORD_MAX 40 /* no option has more */
#define SHORT_WORD 4
#define BEGINNING_MIN 4

static char plain(char c) {
    return c == '_' ? '-' : (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static unsigned least(unsigned a, unsigned b) {
    return a < b ? a : b;
}

/* Optimal string alignment. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len) {
    unsigned rows[3][WORD_MAX + 1];
    for (size_t k = 0; k <= b_len; k++)
        rows[0][k] = (unsigned)k;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t k = 1; k <= b_len; k++) {
            bool same = plain(a[i - 1]) == plain(b[k - 1]);
            row[k] = least(above[k - 1] + !same, least(above[k], row[k - 1]) + 1);
            if (i > 1 && k > 1 && plain(a[i - 1]) == plain(b[k - 2]) && plain(a[i - 2]) == plain(b[k - 1]))
                row[k] = least(row[k], two_above[k - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

static bool begins(const char *text, const char *start, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (plain(text[i]) != plain(start[i]))
            return false;
    }
    return true;
}

void nearest_try(struct nearest *n, const char *word, size_t len, const char *candidate) {
    size_t other = strlen(candidate), shorter = len < other ? len : other;
    if (len == 0 || len > WORD_MAX || other > WORD_MAX)
        return;
    unsigned d = distance(word, len, candidate, other), allowed = shorter <= SHORT_WORD ? 1 : 2;
    if (d > allowed && shorter >= BEGINNING_MIN && begins(word, candidate, shorter))
        d = allowed = 3; /* behind whatever is nearer by its letters */
    if (d <= allowed && (n->best == NULL || d < n->distance)) {
        n->best = candidate;
        n->distance = d;
    }
}
