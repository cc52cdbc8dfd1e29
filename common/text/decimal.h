/* Decimal numbers of JSON as doubles.
 *
 * cJSON asks the C library for that, whose conversion is exact to the last bit for any input and brings some
 * 10 kB of 128-bit arithmetic on arm64. Every number in the answers and files that are read here is a whole
 * one. */
#ifndef POD_IDENTITY_TEXT_DECIMAL_H
#define POD_IDENTITY_TEXT_DECIMAL_H

/* As strtod() in the C locale, for what RFC 8259 calls a number: an optional minus, digits, fraction,
 * exponent; no blanks before it, no hexadecimal, no "inf" or "nan". Whole numbers up to 2^53 are exact, all
 * others within a few units in the last place; what is too large is HUGE_VAL, what is too small 0. *end is
 * where the number ends, or text if there is none. */
double decimal_parse(const char *text, char **end);

#endif
