#include "common/base/wipe.h"

#include <string.h>

void wipe(void *p, size_t len) {
    if (len > 0)
        explicit_bzero(p, len);
}

bool secret_equal(const void *a, size_t a_len, const void *b, size_t b_len) {
    if (a_len != b_len)
        return false;
    const volatile unsigned char *x = a;
    const volatile unsigned char *y = b;
    unsigned char diff = 0;
    for (size_t i = 0; i < a_len; i++)
        diff |= (unsigned char)(x[i] ^ y[i]);
    return diff == 0;
}
