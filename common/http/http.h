/* The HTTP client (the only file that knows libcurl): bounded in time, headers and body, never redirected,
 * and never sent through a proxy where the caller says that the server is local.
 *
 * Names are resolved here as well, without a thread (resolver.h): nothing waits for DNS.
 *
 * Two ways to drive it: an event loop registers hooks once and forwards socket and timer events, or a program
 * without a loop calls http_wait(). Everything that libcurl frees is wiped first, since it held headers with
 * tokens. */
#ifndef POD_IDENTITY_HTTP_HTTP_H
#define POD_IDENTITY_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/http/http_head.h"
#include "common/http/http_result.h"
#include "common/http/lookup.h"
#include "common/http/tls.h"

#define HTTP_BODY_MAX 16384 /* the largest legal answer here is 10,000 bytes */
#define HTTP_REQUEST_HEADERS_MAX 12
#define HTTP_HEADER_LINE_MAX 69632 /* a token of TOKEN_FILE_MAX with its header's name */

struct http_header {
    const char *name, *value; /* value without control characters */
};

/* Takes bytes of the body of an answer of 200 as they come, instead of the response, which has none then.
 * False: it is too much, and the transfer ends with HTTP_TOO_LARGE. */
typedef bool http_receive(void *context, const char *bytes, size_t len);

struct http_request {
    const char *method;
    const char *url;
    const struct http_header *headers;
    size_t header_count; /* at most HTTP_REQUEST_HEADERS_MAX */
    const void *body;    /* NULL: no body */
    size_t body_len;
    bool local;                 /* never through a proxy; others as proxy_find() has it */
    int64_t connect_timeout_ms; /* for the name, and again for the connection */
    int64_t total_timeout_ms;
    const char *ca_file;   /* whom https trusts, borrowed until the end; NULL: http_trust()'s */
    const char *resolved;  /* "+HOST:PORT:ADDRESS" for the URL's, IPv6 in brackets: nothing is looked up, and
                              no proxy  is asked; NULL: by DNS */
    http_receive *receive; /* NULL: the body is in the response. Its context is that of http_done */
};

struct http_transfer;
/* Called once for each started transfer, unless it is cancelled. The response is valid until this returns, or
 * until it starts the transfer anew, which it may; then it is wiped. */
typedef void http_done(void *context, const struct http_response *response);

/* Storage for one request under way; zero it once, then it can be used again and again. Fields are private.
 */
struct http_transfer {
    void *easy, *header_list, *proxy_header_list, *address_list;
    http_done *done;
    http_receive *receive;
    void *context;
    const char *ca_file;
    struct http_response response;
    int64_t started_ms, total_timeout_ms;
    struct lookup lookup;
    struct http_head head;
    unsigned memory_failures; /* when it began */
    bool too_large;
    struct tls tls;
    char body[HTTP_BODY_MAX + 1]; /* until the answer comes: of the lookup, then the server's chain */
};

enum { HTTP_READ = 1, HTTP_WRITE = 2 };
struct http_hooks {
    void (*watch)(void *context, int fd, int events); /* events 0: forget the descriptor */
    void (*timer)(void *context, int64_t delay_ms);   /* call http_timer() after that; negative: no timer */
    void *context;
};

/* Once, before anything else. hooks may be NULL (then http_wait() drives), and is copied. ERR_SYSTEM: out of
 * memory. */
enum err http_open(const struct http_hooks *hooks);
void http_close(void);

/* The certificates that https trusts: a PEM file, read at each request. The path is borrowed. Without it
 * nothing is trusted. */
void http_trust(const char *ca_file);

/* Everything in the request is copied. ERR_SYSTEM if it cannot even begin. */
enum err http_start(struct http_transfer *transfer, const struct http_request *request, http_done *done,
                    void *context);
void http_cancel(struct http_transfer *transfer); /* harmless if it is not under way */

void http_socket(int fd, int events);
void http_timer(void);

/* Without hooks: works until the transfer has ended. Its own time limits bound the wait. */
void http_wait(struct http_transfer *transfer);

#endif
