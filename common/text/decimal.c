#include "common/text/decimal.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define EXPONENT_MAX 400 /* beyond, with 19 digits, everything is 0 or infinite */
#define DIGITS_MAX 19    /* that a 64-bit number holds */

struct decimal {
    uint64_t digits;
    int count; /* of digits, without leading zeros */
    int exponent;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Digits beyond those that fit only move the exponent. */
static const char *take_digits(struct decimal *d, const char *at, bool fraction) {
    for (; is_digit(*at); at++) {
        bool fits = d->count < DIGITS_MAX;
        if (fits) {
            d->digits = d->digits * 10 + (uint64_t)(*at - '0');
            d->count += d->digits != 0;
        }
        if (fits && fraction && d->exponent > -EXPONENT_MAX * 2)
            d->exponent--;
        if (!fits && !fraction && d->exponent < EXPONENT_MAX * 2)
            d->exponent++;
    }
    return at;
}

static const char *take_exponent(struct decimal *d, const char *at) {
    const char *digits = at + 1;
    bool negative = *digits == '-';
    int exponent = 0;
    if (*digits == '-' || *digits == '+')
        digits++;
    if (!is_digit(*digits))
        return at; /* the number ended before the "e" */
    for (; is_digit(*digits); digits++) {
        if (exponent < EXPONENT_MAX * 10)
            exponent = exponent * 10 + (*digits - '0');
    }
    d->exponent += negative ? -exponent : exponent;
    return digits;
}

static double scale(double value, int exponent) {
    bool negative = exponent < 0;
    double factor = 10, power = 1;
    unsigned n = (unsigned)(negative ? -exponent : exponent);
    if (n > EXPONENT_MAX)
        return value == 0 || negative ? 0 : HUGE_VAL;
    if (negative && n > 300) { /* 10 to that power may be infinite where the result is not yet 0 */
        value /= 1e300;
        n -= 300;
    }
    for (; n > 0; n >>= 1, factor *= factor) {
        if ((n & 1) != 0)
            power *= factor;
    }
    if (value == 0)
        return 0;
    return negative ? value / power : value * power;
}

double decimal_parse(const char *text, char **end) {
    struct decimal d = {.digits = 0};
    bool negative = *text == '-';
    const char *start = text + negative, *at = take_digits(&d, start, false);
    bool any = at > start;
    if (*at == '.') {
        start = at + 1;
        at = take_digits(&d, start, true);
        any = any || at > start;
    }
    if (any && (*at == 'e' || *at == 'E'))
        at = take_exponent(&d, at);
    *end = (char *)(any ? at : text);
    double value = scale((double)d.digits, d.exponent);
    return negative ? -value : value;
}
