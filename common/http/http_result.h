/* How an exchange over HTTP ended. */
#ifndef POD_IDENTITY_HTTP_HTTP_RESULT_H
#define POD_IDENTITY_HTTP_HTTP_RESULT_H

#include "common/http/resolver.h"

enum http_result {
    HTTP_ANSWERED,        /* a whole answer, whatever its status */
    HTTP_REFUSED,         /* the connection was refused */
    HTTP_CONNECT_TIMEOUT, /* no answer to the attempt to connect */
    HTTP_ANSWER_TIMEOUT,  /* connected, and no whole answer in time */
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
    HTTP_TLS_UNTRUSTED,   /* no certificate of the server's chain is signed by one that is trusted */
    HTTP_TLS_EXPIRED,     /* a certificate has ended or has not begun, by our clock */
    HTTP_TLS_NAME,        /* the certificate is for another host */
    HTTP_TLS_NO_CA,       /* the file of trusted certificates cannot be read, or holds none */
    HTTP_TLS,             /* TLS failed otherwise: detail says how */
    HTTP_FAILED,          /* anything else: detail says what */
    HTTP_RESULTS
};

/* Names of the result, static text: a word for programs ("refused", "tls-untrusted"), and what stands behind
 * "GET URL " ("was refused"). HTTP_ANSWERED has none. */
const char *http_result_cause(enum http_result result);
const char *http_result_text(enum http_result result);

/* Of a connection that failed with this error of the system; of a name that was not resolved. */
enum http_result http_result_of_connect(long os_error);
enum http_result http_result_of_lookup(enum resolver_state state);

#endif
