/* What a mistyped word was meant to be. */
#ifndef POD_IDENTITY_BASE_NEAREST_H
#define POD_IDENTITY_BASE_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

/* Zero it, then hand it every candidate: `best` is the nearest one, NULL if none is near enough to be meant.
 * A letter more, less, another or two exchanged count one each, for short words one is allowed, for others
 * two; a word that is the beginning of the other is near. Case, '-' and '_' are no difference. */
struct nearest {
    const char *best;
    unsigned distance;
};

void nearest_try(struct nearest *n, const char *word, size_t len, const char *candidate);

#endif
