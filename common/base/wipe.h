/* Secrets: wiping them, and comparing them without a timing trace. */
#ifndef POD_IDENTITY_BASE_WIPE_H
#define POD_IDENTITY_BASE_WIPE_H

#include <stdbool.h>
#include <stddef.h>

/* Overwrites len bytes with zeros in a way the compiler may not leave out. p may be NULL if len is 0. */
void wipe(void *p, size_t len);

/* Whether two byte strings are equal. The time taken depends on the lengths only, never on the content. */
bool secret_equal(const void *a, size_t a_len, const void *b, size_t b_len);

#endif
