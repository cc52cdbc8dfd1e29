/* libcurl's memory. What it gives back is wiped first, since it held tokens and keys; what it is not given is
 * counted, since its errors do not always tell. */
#ifndef POD_IDENTITY_HTTP_HTTP_MEMORY_H
#define POD_IDENTITY_HTTP_HTTP_MEMORY_H

#include <stddef.h>

/* As the C library has them. */
void *http_memory_malloc(size_t size);
void *http_memory_calloc(size_t count, size_t size);
char *http_memory_strdup(const char *text);
void http_memory_free(void *memory);
void *http_memory_realloc(void *memory, size_t size);

/* How often there was none, so far. */
unsigned http_memory_failures(void);

#endif
