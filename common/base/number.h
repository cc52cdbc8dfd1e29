/* Whole numbers as text. The C library's own conversions take signs, blanks and prefixes that nobody asked
 * for, and bring 2 kB with them. */
#ifndef POD_IDENTITY_BASE_NUMBER_H
#define POD_IDENTITY_BASE_NUMBER_H

#include <stdint.h>

/* Reads the digits at the beginning of text, of base 8 or 10, and returns how many there are: 0 if there are
 * none, or if their value is more than max; *out is then 0. What follows them is for the caller to judge. */
unsigned number_read(const char *text, unsigned base, uint32_t max, uint32_t *out);

#endif
