#include "common/base/number.h"

unsigned number_read(const char *text, unsigned base, uint32_t max, uint32_t *out) {
    uint64_t value = 0;
    unsigned len = 0;
    *out = 0;
    for (; text[len] >= '0' && text[len] < (char)('0' + base); len++) {
        value = value * base + (unsigned)(text[len] - '0');
        if (value > max)
            return 0;
    }
    *out = (uint32_t)value;
    return len;
}
