/* Packs the texts of a header, and prints them as C: pack NAME
 *
 * Compiled with -DROWS_FILE='"folder/file.h"' -DROWS=MACRO, a list of rows or texts there. Prints
 * NAME_PACKED, the bytes that packed_read() (common/base/packed.h) takes, and NAME_LEN, the length of the
 * texts with their NULs.
 *
 * Runs on the machine that builds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/packed_model.h"
#include ROWS_FILE

/* Of each kind of rows, the text that is packed. */
#undef OPTION
#undef OPTION_OF
#undef OPTION_DURATION
#undef OPTION_FLAG
#undef OPTION_PATH
#undef OPTION_OLD
#undef OPTION_GROUP
#undef COMMAND
#define OPTION(name, value_name, default_text, help, take, repeatable) help
#define OPTION_OF(type, member, kind, name, value_name, default_text, help, take, repeatable) help
#define OPTION_DURATION(type, member, name, default_text, help) help
#define OPTION_FLAG(type, member, name, help) help
#define OPTION_PATH(type, member, name, value_name, default_text, help) help
#define OPTION_OLD(type, member, kind, name, value_name, take) ""
#define OPTION_GROUP(title) ""
#define COMMAND(name, about, takes) about
#define EXPLANATION(reason, text) text,

static const char *const texts[] = {ROWS};

static uint32_t low, high = UINT32_MAX;
static unsigned long count;

static void put(unsigned byte) {
    printf("%s%u,", count++ % 24 == 0 ? "\n    " : " ", byte);
}

static void pack_bit(struct packed_model *m, uint32_t bit) {
    uint32_t middle = low + (high - low) / PACKED_ONE * (uint32_t)m->odds;
    if (bit != 0)
        high = middle;
    else
        low = middle + 1;
    packed_learn(m, bit);
    for (; ((low ^ high) >> 24) == 0; low <<= 8, high = high << 8 | 255)
        put(high >> 24);
}

int main(int argc, char **argv) {
    static struct packed_model model;
    unsigned long len = 0;
    if (argc != 2)
        return 64;
    packed_begin(&model);
    printf("static const unsigned char %s_PACKED[] = {", argv[1]);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (const char *c = texts[i];; c++) {
            for (int bit = 7; bit >= 0; bit--)
                pack_bit(&model, (unsigned char)*c >> bit & 1);
            len++;
            if (*c == '\0')
                break;
        }
    }
    for (int i = 0; i < 4; i++, low <<= 8) /* as many as are read ahead */
        put(low >> 24);
    printf("\n};\n#define %s_LEN %lu\n", argv[1], len);
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
