#include "common/http/http_memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/wipe.h"

void http_memory_free(void *p) {
    if (p != NULL)
        wipe(p, malloc_usable_size(p));
    free(p);
}

void *http_memory_realloc(void *old, size_t size) {
    void *p = malloc(size);
    if (p == NULL || old == NULL)
        return p;
    size_t had = malloc_usable_size(old);
    memcpy(p, old, had < size ? had : size);
    http_memory_free(old);
    return p;
}
