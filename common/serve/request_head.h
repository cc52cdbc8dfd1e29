/* What is known of a request, whole or not. See request.h. */
#ifndef POD_IDENTITY_SERVE_REQUEST_HEAD_H
#define POD_IDENTITY_SERVE_REQUEST_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_HEAD_MAX 16384 /* all bytes of request line and headers; SDKs send under 2 kB */
#define REQUEST_HEADERS_MAX 100
#define REQUEST_TARGET_MAX 1024
#define REQUEST_PATH_MAX 192          /* longer than any path served; with its NUL */
#define REQUEST_HOST_MAX 64           /* "[::1]:65535" fits; with its NUL */
#define REQUEST_AUTHORIZATION_MAX 257 /* a bearer of 256 characters; with its NUL */
#define REQUEST_NAME_MAX 40           /* of a header's name that matters; with its NUL */
#define REQUEST_EXTRAS_MAX 3
#define REQUEST_EXTRA_MAX 64       /* of a value; with its NUL */
#define REQUEST_SHORT_VALUE_MAX 48 /* of Connection, Content-Length and Transfer-Encoding; with its NUL */

enum request_status {
    REQUEST_MORE, /* all bytes were taken, and the request goes on */
    REQUEST_DONE, /* a whole request; bytes behind it were not taken */
    REQUEST_BODY, /* of request_body_feed(): a head, and a body is still to come */
    REQUEST_BAD   /* error_status says why; the connection cannot be used further */
};

enum request_method { REQUEST_GET, REQUEST_HEAD, REQUEST_PUT, REQUEST_POST, REQUEST_OTHER };

#define REQUEST_STATE_BODY 64 /* states from here on are those of request_body.c */

/* Headers that a caller decides on, beside those that HTTP itself knows. */
struct request_extras {
    struct {
        const char *name; /* in lower case, under REQUEST_NAME_MAX characters; NULL behind the last one */
        bool once;        /* a request with two of them is refused */
    } headers[REQUEST_EXTRAS_MAX];
    bool query;        /* it is kept */
    uint32_t head_max; /* as REQUEST_HEAD_MAX, which it is if this is 0 */
    /* Where requests may have bodies, and the headers are REQUEST_BODY_HEADERS (request_body.h): */
    uint32_t body_kept; /* bytes of a body that are kept; at least REQUEST_BODY_PREFIX */
    uint32_t body_read; /* more than so many are refused (413) */
};

/* Storage of the caller for an Authorization that is longer than REQUEST_AUTHORIZATION_MAX. The rest of the
 * struct request moves with request_move(); what lies here is copied. */
struct request_room {
    char *text; /* NUL-terminated; "" if there was none, or it was longer */
    size_t cap; /* with the NUL; 0: there is no room, and request.authorization is used */
};

struct request {
    enum request_method method;
    bool http_1_0;
    bool close;                  /* the client wants the connection closed, or speaks HTTP/1.0 */
    int error_status;            /* for REQUEST_BAD: 400, 413, 414, 431, 501 or 505 */
    const char *error;           /* likewise, in words; static */
    char path[REQUEST_PATH_MAX]; /* without the query, its escapes decoded but for %25 and what is no
                                    visible ASCII; "" if it was longer, which no served path is */
    char host[REQUEST_HOST_MAX]; /* "" if there was none, or it was longer */
    char authorization[REQUEST_AUTHORIZATION_MAX]; /* likewise */
    uint32_t authorization_len;                    /* wherever it lies */
    bool has_host, has_authorization;
    struct request_room
        room; /* where Authorization goes instead, if there is any; request_reset() leaves it */
    struct {
        bool present;
        char value[REQUEST_EXTRA_MAX]; /* of the last one; "" if it was longer */
    } extras[REQUEST_EXTRAS_MAX];      /* in the order of struct request_extras */

    struct {
        char
            *bytes; /* room for body_kept of them, of the server; NULL if there is no body, or none is kept */
        uint32_t len; /* as far as it has come */
        bool dropped; /* it is larger than body_kept: only its first REQUEST_BODY_PREFIX bytes are there */
    } body;

    /* The parser's own state. */
    const struct request_extras *wanted;
    uint8_t state, field;
    bool has_length, chunked, in_query, field_too_long, path_too_long;
    uint16_t header_count, target_len;
    uint32_t head_len;
    uint32_t body_left; /* of the body, or of the present chunk */
    uint32_t body_total;
    uint8_t escape;     /* characters of a %XY in the path that have come */
    uint32_t at;        /* characters of the present token or value */
    uint32_t room_used; /* bytes of the room that are not zero */
    char name[REQUEST_NAME_MAX];
    char value[REQUEST_SHORT_VALUE_MAX];

    /* For listeners that want it, without its question mark and as it came; a zero behind it. Last: where
     * there is none it takes no memory, and no time. */
    uint16_t query_len;
    char query[REQUEST_TARGET_MAX];
};

#endif
