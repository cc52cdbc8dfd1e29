/* What the unit tests share. */
#ifndef POD_IDENTITY_TESTS_UNIT_H
#define POD_IDENTITY_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* A copy of bytes that ends right before a page that may not be touched: reading one byte too many faults.
 * One copy at a time, at most GUARDED_MAX bytes. */
#define GUARDED_MAX 262144
const char *guarded(const void *bytes, size_t len);

/* A fresh folder under the system's temporary folder; removed with all that is in it when the program ends.
 * Static storage. */
const char *scratch_folder(void);
/* FOLDER/name, in one of a few static places in turn. */
const char *scratch_path(const char *name);

void write_file(const char *path, const void *bytes, size_t len);
/* The whole file, NUL-terminated, in static storage of 1 MiB. */
const char *read_file(const char *path, size_t *len);

/* Whether these bytes stand anywhere in static storage, the program's and the tests': what was wiped does
 * not. Keep them on the stack. */
bool lies_in_memory(const char *bytes, size_t len);

/* A made-up clock behind clock_now(), at this moment until it is called again. */
void fake_clock(int64_t mono_ms, int64_t wall_ms);

/* Random numbers that are the same in every run, from a seed that is printed if a test fails. */
struct dice {
    uint64_t state;
};
uint64_t dice_roll(struct dice *d);
/* 0 to below - 1. */
uint64_t dice_below(struct dice *d, uint64_t below);

/* Says why, on standard error where the runner finds it, and skips the test. */
#define SKIP(why)                                                                                            \
    do {                                                                                                     \
        fprintf(stderr, "skipped: %s: %s\n", __func__, (why));                                               \
        skip();                                                                                              \
    } while (0)

#endif
