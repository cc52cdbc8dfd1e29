/* Texts that are seldom wanted (those of --help and of explain), packed by the build. */
#ifndef POD_IDENTITY_BASE_PACKED_H
#define POD_IDENTITY_BASE_PACKED_H

#include <stddef.h>

/* Unpacks what common/deps/tools/pack.c made: len is the length of the texts, which stand one behind the
 * other, each with its NUL. Takes some milliseconds and some 1.5 MB of memory: for a process that ends soon.
 */
void packed_read(const unsigned char *packed, char *out, size_t len);

#endif
