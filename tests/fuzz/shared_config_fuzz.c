/* Shared config files: any bytes are taken, and what is found stands in the text, as does its profile. */
#include "tests/fuzz/fuzz.h"

#include "init/shared_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const profiles[] = {"default", "dev", "", "profile"};
    const char *text = (const char *)data;
    for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
        const char *key = shared_config_find(text, size, profiles[i]);
        HOLDS(key == NULL || memmem(text, size, key, strlen(key)) != NULL);
        HOLDS(key == NULL || profiles[i][0] == '\0' ||
              memmem(text, size, profiles[i], strlen(profiles[i])) != NULL);
    }
    return 0;
}
