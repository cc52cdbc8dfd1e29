/* A client's side of one request to a server of ours, on a socket that does not block. */
#ifndef POD_IDENTITY_SERVE_STREAM_H
#define POD_IDENTITY_SERVE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Waits until the socket can be read (POLLIN) or written (POLLOUT), until deadline_ms, monotonic. False with
 * errno, ETIMEDOUT if the time is over. */
bool stream_wait(int fd, short events, int64_t deadline_ms);

/* Sends all of the request and reads to the end of the stream, or until cap bytes are there: the request asks
 * the server to close. *len is how many came. False with errno. */
bool stream_ask(int fd, const char *request, size_t request_len, char *out, size_t cap, size_t *len,
                int64_t deadline_ms);

#endif
