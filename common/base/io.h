/* Writing whole buffers to descriptors. */
#ifndef POD_IDENTITY_IO_H
#define POD_IDENTITY_IO_H

#include <stdbool.h>
#include <stddef.h>

/* Writes all of it, however many calls that takes. False with errno. */
bool io_write_all(int fd, const void *bytes, size_t len);

#endif
