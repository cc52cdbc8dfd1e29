#include "common/http/http_memory.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/wipe.h"

static unsigned failures;

unsigned http_memory_failures(void) {
    return failures;
}

void *http_memory_malloc(size_t size) {
    void *p = malloc(size);
    failures += p == NULL;
    return p;
}

void *http_memory_calloc(size_t count, size_t size) {
    size_t all = size == 0 || count <= SIZE_MAX / size ? count * size : SIZE_MAX;
    void *p = http_memory_malloc(all);
    if (p != NULL)
        memset(p, 0, all);
    return p;
}

char *http_memory_strdup(const char *text) {
    size_t size = strlen(text) + 1;
    char *p = http_memory_malloc(size);
    if (p != NULL)
        memcpy(p, text, size);
    return p;
}

void http_memory_free(void *p) {
    if (p != NULL)
        wipe(p, malloc_usable_size(p));
    free(p);
}

void *http_memory_realloc(void *old, size_t size) {
    void *p = http_memory_malloc(size);
    if (p == NULL || old == NULL)
        return p;
    size_t had = malloc_usable_size(old);
    memcpy(p, old, had < size ? had : size);
    http_memory_free(old);
    return p;
}
