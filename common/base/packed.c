#include "common/base/packed.h"

#include <string.h>

#include "common/base/far.h"
#include "common/base/packed_model.h"

void packed_read(const unsigned char *packed, char *out, size_t len) {
    FAR static struct packed_model model;
    uint32_t low = 0, high = UINT32_MAX, code = 0;
    memset(&model, 0, sizeof model);
    packed_begin(&model);
    for (int i = 0; i < 4; i++)
        code = code << 8 | *packed++;
    for (size_t bit = 0; bit < 8 * len; bit++) {
        uint32_t middle = low + (high - low) / PACKED_ONE * (uint32_t)model.odds, one = code <= middle;
        if (one != 0)
            high = middle;
        else
            low = middle + 1;
        out[bit / 8] = (char)((unsigned char)out[bit / 8] << 1 | one);
        packed_learn(&model, one);
        for (; ((low ^ high) >> 24) == 0; low <<= 8, high = high << 8 | 255)
            code = code << 8 | *packed++;
    }
}
