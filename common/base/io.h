/* Whole buffers from and to descriptors. */
#ifndef POD_IDENTITY_BASE_IO_H
#define POD_IDENTITY_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>

/* Reads to the end, or until cap bytes are there: who wants to see that there are more gives a byte more.
 * *len is how many came, also where it is false, with errno. */
bool io_read_all(int fd, void *out, size_t cap, size_t *len);

/* Writes all of it, however many calls that takes. False with errno. */
bool io_write_all(int fd, const void *bytes, size_t len);

/* Writes at most IO_NOW_MAX bytes whole and at once, or not at all: false if that would wait, or fails. Safe
 * in a signal handler. */
#define IO_NOW_MAX 4096 /* a pipe that takes a byte takes a page (PIPE_BUF) */
bool io_write_now(int fd, const void *bytes, size_t len);

/* As io_write_all(), for a reader who may have stopped to read: waits for him so long in all, and no longer.
 * False with errno, ETIMEDOUT if the time is over. */
bool io_write_within(int fd, const void *bytes, size_t len, int limit_ms);

#endif
