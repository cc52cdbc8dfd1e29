/* Header lines of an answer. */
#ifndef POD_IDENTITY_HTTP_HTTP_HEADER_H
#define POD_IDENTITY_HTTP_HTTP_HEADER_H

#include <stddef.h>
#include <stdint.h>

/* The value of a header line if it has that name, without the blanks around it; otherwise NULL. */
const char *http_header_value(const char *line, size_t len, const char *name, size_t *value_len);

/* Retry-After: seconds, or an HTTP date (RFC 9110 10.2.3). What is neither is as good as absent: 0. */
int64_t http_retry_after_ms(const char *value, size_t len);

#endif
