/* Replays inputs without libFuzzer, each twice: the second time shows what the first left behind. */
#include "tests/fuzz/fuzz.h"

static void replay(const char *path) {
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        exit(1);
    }
    static uint8_t whole[1 << 20];
    size_t size = fread(whole, 1, sizeof whole, f);
    fclose(f);
    /* Of its exact size, so that the sanitizer sees a byte read too many. */
    uint8_t *input = malloc(size > 0 ? size : 1);
    if (input == NULL)
        abort();
    memcpy(input, whole, size);
    printf("%s\n", path);
    fflush(stdout);
    for (int i = 0; i < 2; i++)
        LLVMFuzzerTestOneInput(input, size);
    free(input);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%d inputs replayed\n", argc - 1);
    return 0;
}
