/* Shared files: any bytes are taken, what is found stands in the text (in whatever case), and a fault has a
 * line of it. */
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <strings.h>

#include "init/shared_config.h"

static bool contains(const char *text, size_t size, const char *word) {
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= size; i++) {
        if (strncasecmp(text + i, word, len) == 0)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const profiles[] = {"default", "dev", "", "profile"};
    const char *text = (const char *)data;
    size_t half = size / 2;
    const struct shared_files files = {.file = {{text, size}, {text + half, size - half}}};
    for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
        const char *key = shared_config_find(&files, SHARED_CONFIG, profiles[i]);
        HOLDS(key == NULL || contains(text, size, key));
        HOLDS(key == NULL || contains(text, size, "profile") || contains(text, size, profiles[i]));
        (void)shared_config_find(&files, SHARED_CREDENTIALS, profiles[i]);
    }
    unsigned line, lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n' || text[i] == '\r';
    if (shared_config_fault(&files.file[SHARED_CONFIG], &line) != NULL)
        HOLDS(line >= 1 && line <= lines);
    return 0;
}
