/* How an exchange over HTTP ended. */
#ifndef POD_IDENTITY_HTTP_HTTP_RESULT_H
#define POD_IDENTITY_HTTP_HTTP_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/failure.h"
#include "common/http/http_header.h"
#include "common/http/resolver.h"

#define HTTP_DETAIL_MAX 160

enum http_result {
    HTTP_ANSWERED,        /* a whole answer, whatever its status */
    HTTP_REFUSED,         /* the connection was refused */
    HTTP_CONNECT_TIMEOUT, /* no answer to the attempt to connect */
    HTTP_ANSWER_TIMEOUT,  /* connected, and no whole answer in time */
    HTTP_PROXY_TIMEOUT,   /* connected to the proxy, which did not answer CONNECT in time */
    HTTP_TLS_TIMEOUT,     /* connected, and no whole TLS handshake in time */
    HTTP_NO_ROUTE,        /* network or host unreachable */
    HTTP_PROHIBITED,      /* a local rule or route rejects it */
    HTTP_NO_FAMILY,       /* this machine has no address of that family */
    HTTP_NO_NAME,         /* DNS knows no such host, or no address of it */
    HTTP_DNS_ERROR,       /* DNS answered with an error */
    HTTP_DNS_SILENT,      /* DNS did not answer */
    HTTP_NO_ANSWER,       /* connected, and closed or reset before a byte of an answer came */
    HTTP_CUT_SHORT,       /* the answer began, and ended before it was whole */
    HTTP_NOT_HTTP,        /* what came is no HTTP */
    HTTP_TOO_LARGE,       /* headers or body over the limit */
    HTTP_PROXY,           /* the proxy's name was not resolved, or it did not let us through */
    HTTP_TLS_CLOSED,      /* closed or reset within the handshake, which says nothing about TLS yet */
    HTTP_TLS_UNTRUSTED,   /* no certificate of the server's chain is signed by one that is trusted */
    HTTP_TLS_EXPIRED,     /* a certificate has ended, by our clock */
    HTTP_TLS_EARLY,       /* a certificate has not begun, by our clock */
    HTTP_TLS_NAME,        /* the certificate is for another host */
    HTTP_TLS_NO_CA,       /* the file of trusted certificates cannot be read, or holds none */
    HTTP_TLS_CONSTRAINTS, /* an authority is limited to names, which BearSSL cannot check */
    HTTP_TLS_EXTENSION,   /* another extension that must be understood is not */
    HTTP_TLS_HASH,        /* signed with SHA-1 or worse */
    HTTP_TLS_ALGORITHM,   /* a key or signature of a kind, or on a curve, that is not known */
    HTTP_TLS_KEY,         /* an RSA key that is too small or too large */
    HTTP_TLS_USAGE,       /* the certificate is for something else than a server */
    HTTP_TLS_CHAIN,       /* the chain is broken otherwise: detail says how */
    HTTP_TLS_VERSION,     /* the server does not speak TLS 1.2 */
    HTTP_TLS_CIPHER,      /* no cipher suite or curve in common */
    HTTP_TLS,             /* TLS failed otherwise: detail says how */
    HTTP_NO_MEMORY,       /* there was not enough for libcurl */
    HTTP_FAILED,          /* anything else: detail says what */
    HTTP_RESULTS
};

/* How far an exchange came: what its result is about. */
enum http_stage {
    HTTP_STAGE_NAME = 1,
    HTTP_STAGE_CONNECT,
    HTTP_STAGE_PROXY,
    HTTP_STAGE_TLS,
    HTTP_STAGE_ANSWER /* and all that cannot be told */
};

struct http_response {
    enum http_result result;
    int status;       /* 0 unless HTTP_ANSWERED */
    const char *body; /* NUL-terminated for convenience; may hold NULs of its own */
    size_t body_len;
    int64_t retry_after_ms; /* 0 if the answer did not say */
    int64_t date_s;         /* the server's clock, 0 if it did not say */
    int64_t elapsed_ms;
    const char *proxy_variable; /* what named the proxy that was used; NULL without one */
    int proxy_status;           /* of its answer to CONNECT; 0 if there was none */
    struct http_who who;
    char detail[HTTP_DETAIL_MAX]; /* for all but HTTP_ANSWERED: what the system, the proxy or the judge of
                                     TLS said, never text of libcurl; may be "" */
};

/* Names of the result, static text: a word for programs ("refused", "tls-untrusted"), and what stands behind
 * "GET URL " ("was refused"). HTTP_ANSWERED has none. */
const char *http_result_cause(enum http_result result);
const char *http_result_text(enum http_result result);

enum http_stage http_result_stage(enum http_result result);
/* Whether it is that nobody answered in time: not even with a refusal. */
bool http_result_silent(enum http_result result);

/* The failure of a request for which there was not enough memory: REASON_INTERNAL. */
enum reason http_out_of_memory(struct failure *failure);

/* Of a connection that ended: before, within, or instead of an answer. proxy_status: 0 without one. */
enum http_result http_result_of_end(int proxy_status, bool answer_begun);

/* Of one that took too long: whether TCP connected, and whether a proxy's tunnel and TLS stood by then. The
 * response says whether there is a proxy, and what it answered. */
enum http_result http_result_of_timeout(bool connected, bool ready, const struct http_response *response);

/* Appends what is known and not yet said of a proxy, of an answer that is malformed (in_body: behind its
 * head), and of a handshake that came to nothing at that address; nothing for the others. */
void http_result_detail(const struct http_response *response, bool in_body, const char *address,
                        struct buf *out);

/* Of a connection that failed with this error of the system; of a name that was not resolved. */
enum http_result http_result_of_connect(long os_error);
enum http_result http_result_of_lookup(enum resolver_state state);

/* Whether it is a verdict of TLS, and then (and for HTTP_TLS_CLOSED) what to do: one line, static text
 * without
 * %. */
bool http_result_of_tls(enum http_result result);
const char *http_result_tls_remedy(enum http_result result);

#endif
