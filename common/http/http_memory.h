/* What libcurl gives back is wiped first: it held tokens and keys. */
#ifndef POD_IDENTITY_HTTP_HTTP_MEMORY_H
#define POD_IDENTITY_HTTP_HTTP_MEMORY_H

#include <stddef.h>

/* As the C library has them. */
void http_memory_free(void *memory);
void *http_memory_realloc(void *memory, size_t size);

#endif
