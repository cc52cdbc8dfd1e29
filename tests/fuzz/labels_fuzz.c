/* Label files of the downward API: whatever is found was there, quoted, and the verdict on the file does not
 * depend on the key that is looked for. */
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>

#include "init/labels.h"

static bool malformed(enum err e) {
    return e != ERR_OK && e != ERR_MISSING;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const keys[] = {"eks.amazonaws.com/pod-identity", "a", ""};
    const char *text = (const char *)data;
    char value[LABELS_VALUE_MAX];
    size_t line;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        memset(value, 'x', sizeof value);
        enum err e = labels_find(text, size, keys[i], value, &line);
        HOLDS(memchr(value, '\0', sizeof value) != NULL);
        HOLDS(line >= 1 && line <= size + 1);
        HOLDS(e == ERR_OK || value[0] == '\0');
        HOLDS(!malformed(e) || e == ERR_SYNTAX || e == ERR_CONTROL || e == ERR_TOO_LONG);
        if (e == ERR_OK) {
            HOLDS(keys[i][0] != '\0');
            HOLDS(memmem(text, size, keys[i], strlen(keys[i])) != NULL);
            HOLDS(labels_find(text, size, "no/such-key", value, &line) == ERR_MISSING);
        }
    }
    return 0;
}
