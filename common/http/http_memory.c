#include "common/http/http_memory.h"

#include <malloc.h>
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

/* The C library's own: fresh pages are zero, and those that nobody uses are not touched. */
void *http_memory_calloc(size_t count, size_t size) {
    void *p = calloc(count, size);
    failures += p == NULL;
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
