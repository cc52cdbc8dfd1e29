/* Header lines of an answer. */
#ifndef POD_IDENTITY_HTTP_HTTP_HEADER_H
#define POD_IDENTITY_HTTP_HTTP_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value of a header line if it has that name, without the blanks around it; otherwise NULL. */
const char *http_header_value(const char *line, size_t len, const char *name, size_t *value_len);

/* Retry-After: seconds, or an HTTP date (RFC 9110 10.2.3). What is neither is as good as absent: 0. */
int64_t http_retry_after_ms(const char *value, size_t len);

/* Who says that it answered. */
#define HTTP_SERVER_MAX 64 /* names and versions: what is longer says no more */
#define HTTP_ERROR_TYPE_MAX 64
#define HTTP_REQUEST_ID_MAX 64 /* a UUID, as a rule */
struct http_who {
    char error_type[HTTP_ERROR_TYPE_MAX]; /* x-amzn-ErrorType, with which AWS names an error; "" if absent */
    char server[HTTP_SERVER_MAX], via[HTTP_SERVER_MAX]; /* those headers, cut; "" if absent */
    char request_id[HTTP_REQUEST_ID_MAX];               /* of AWS; "" if absent */
    bool linkerd, amazon;                               /* an l5d-... header; a request id of AWS */
};
void http_header_who(const char *line, size_t len, struct http_who *who);

#endif
