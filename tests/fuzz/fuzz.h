/* What the fuzz targets share. */
#ifndef POD_IDENTITY_TESTS_FUZZ_H
#define POD_IDENTITY_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libFuzzer's entry point. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An invariant: what does not hold ends the program, which is how a fuzzer learns of it. */
#define HOLDS(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                   \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* The input as text that ends at its first NUL, in static storage; over-long input is cut. */
static inline const char *as_text(const uint8_t *data, size_t size) {
    static char text[65536];
    size_t len = size < sizeof text ? size : sizeof text - 1;
    if (len > 0)
        memcpy(text, data, len);
    text[len] = '\0';
    return text;
}

#endif
