#include "common/http/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/timefmt.h"
#include "common/base/wipe.h"

#define RETRY_AFTER_MAX_S                                                                                    \
    86400 /* what is longer is a mistake of the server; the refresh engine caps it further */
#define RECEIVE_BUFFER 4096 /* answers are small; libcurl's default of 16 kB would stay resident */

/* One client for the process, as there is one loop that drives it. */
static CURLM *multi;
static const char *ca_file;
static struct http_hooks hooks;

/* ---- memory: what libcurl gives back held tokens and keys ---- */

static void wiping_free(void *p) {
    if (p != NULL)
        wipe(p, malloc_usable_size(p));
    free(p);
}

static void *wiping_realloc(void *old, size_t size) {
    void *p = malloc(size);
    if (p == NULL || old == NULL)
        return p;
    size_t had = malloc_usable_size(old);
    memcpy(p, old, had < size ? had : size);
    wiping_free(old);
    return p;
}

/* ---- answers ---- */

static size_t take_body(char *bytes, size_t size, size_t count, void *transfer) {
    struct http_transfer *t = transfer;
    size_t len = size * count;
    if (len > HTTP_BODY_MAX - t->response.body_len) {
        t->too_large = true;
        return 0;
    }
    memcpy(t->body + t->response.body_len, bytes, len);
    t->response.body_len += len;
    return len;
}

/* The value of a header line if it has that name. */
static const char *value_of(const char *line, size_t len, const char *name, size_t *value_len) {
    size_t name_len = strlen(name);
    if (len <= name_len || strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
        return NULL;
    const char *at = line + name_len + 1, *end = line + len;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && (end[-1] == '\n' || end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *value_len = (size_t)(end - at);
    return at;
}

/* Seconds, or an HTTP date (RFC 9110 10.2.3). What is neither is as good as absent. */
static int64_t parse_retry_after(const char *value, size_t len) {
    int64_t seconds = 0, date;
    if (time_parse_http(value, len, &date) == ERR_OK)
        seconds = date - clock_now().wall_ms / 1000;
    else
        for (size_t i = 0; i < len; i++) {
            if (value[i] < '0' || value[i] > '9')
                return 0;
            seconds = seconds * 10 + (value[i] - '0');
            if (seconds > RETRY_AFTER_MAX_S)
                break;
        }
    if (seconds > RETRY_AFTER_MAX_S)
        seconds = RETRY_AFTER_MAX_S;
    return seconds > 0 ? seconds * 1000 : 0;
}

static size_t take_header(char *line, size_t size, size_t count, void *transfer) {
    struct http_transfer *t = transfer;
    size_t len = size * count, value_len;
    t->headers_len += len;
    if (t->headers_len > HTTP_HEADERS_MAX) {
        t->too_large = true;
        return 0;
    }
    const char *value = value_of(line, len, "Retry-After", &value_len);
    if (value != NULL)
        t->response.retry_after_ms = parse_retry_after(value, value_len);
    value = value_of(line, len, "Date", &value_len);
    if (value != NULL && time_parse_http(value, value_len, &t->response.date_s) != ERR_OK)
        t->response.date_s = 0;
    value = value_of(line, len, "x-amzn-ErrorType", &value_len);
    if (value != NULL && value_len < sizeof t->response.error_type) {
        memcpy(t->response.error_type, value, value_len);
        t->response.error_type[value_len] = '\0';
    }
    return len;
}

static enum http_result classify_connect(long os_error) {
    switch (os_error) {
    case ECONNREFUSED:
        return HTTP_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
        return HTTP_NO_ROUTE;
    case EACCES: /* a route of kind "prohibit", or a local firewall rule */
    case EPERM:
    case EINVAL: /* a route of kind "blackhole" */
        return HTTP_PROHIBITED;
    case EAFNOSUPPORT:
    case EADDRNOTAVAIL:
        return HTTP_NO_FAMILY;
    case ETIMEDOUT:
        return HTTP_CONNECT_TIMEOUT;
    default:
        return HTTP_FAILED;
    }
}

static bool says(const struct http_transfer *t, const char *text) {
    return strstr(t->error, text) != NULL;
}

/* The certificate was looked at, and is not good. libcurl has one code for all of it, and BearSSL's verdict
 * in words of its own (lib/vtls/bearssl.c). */
static enum http_result classify_certificate(const struct http_transfer *t) {
    if (says(t, "expired or not yet valid"))
        return HTTP_TLS_EXPIRED;
    if (says(t, "server name was not found"))
        return HTTP_TLS_NAME;
    return says(t, "trust anchor") ? HTTP_TLS_UNTRUSTED : HTTP_TLS;
}

/* The connection ended: before, within, or instead of an answer. */
static enum http_result classify_end(const struct http_transfer *t) {
    if (says(t, "CONNECT"))
        return HTTP_PROXY;
    return t->headers_len > 0 ? HTTP_CUT_SHORT : HTTP_NO_ANSWER;
}

static enum http_result classify_timeout(const struct http_transfer *t) {
    curl_off_t connected_us = 0;
    curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
    return connected_us > 0 ? HTTP_ANSWER_TIMEOUT : HTTP_CONNECT_TIMEOUT;
}

static enum http_result classify(const struct http_transfer *t, CURLcode code, long os_error) {
    switch (code) {
    case CURLE_OK:
        return HTTP_ANSWERED;
    case CURLE_OPERATION_TIMEDOUT:
        return classify_timeout(t);
    case CURLE_COULDNT_CONNECT:
        return classify_connect(os_error);
    case CURLE_COULDNT_RESOLVE_HOST:
        return HTTP_NO_NAME;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        return HTTP_PROXY;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return classify_end(t);
    case CURLE_WRITE_ERROR:
    case CURLE_TOO_LARGE:
        return HTTP_TOO_LARGE;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return HTTP_NOT_HTTP;
    case CURLE_PEER_FAILED_VERIFICATION:
        return classify_certificate(t);
    case CURLE_SSL_CACERT_BADFILE:
        return HTTP_TLS_NO_CA;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
        return HTTP_TLS;
    default:
        return HTTP_FAILED;
    }
}

/* The words of the system are the better ones, where there are any: libcurl's are about its own part. */
static void describe(const struct http_transfer *t, long os_error, struct buf *out) {
    long proxied = 0;
    bool of_another =
        os_error == ECONNREFUSED && t->response.result != HTTP_REFUSED; /* address of the host */
    if (os_error != 0 && !t->tls && !of_another)
        buf_str(out, strerror((int)os_error));
    else if (t->tls || t->response.result == HTTP_PROXY || t->response.result == HTTP_FAILED)
        buf_printable(out, t->error, strlen(t->error), HTTP_DETAIL_MAX - 32);
    curl_easy_getinfo(t->easy, CURLINFO_USED_PROXY, &proxied);
    if (proxied != 0)
        buf_str(out, out->len > 0 ? ", through a proxy" : "through a proxy");
}

/* Not beyond what was received: touching the rest would make it resident. */
static void wipe_response(struct http_transfer *t) {
    wipe(t->body, t->response.body_len + 1);
    memset(&t->response, 0, sizeof t->response);
    t->headers_len = 0;
    t->too_large = false;
    t->error[0] = '\0';
}

static void release(struct http_transfer *t) {
    if (t->easy != NULL) {
        curl_multi_remove_handle(multi, t->easy);
        curl_easy_cleanup(t->easy);
    }
    curl_slist_free_all(t->header_list);
    t->easy = t->header_list = NULL;
}

/* libcurl's side ends before the callback, which may start the transfer anew. */
static void finish(struct http_transfer *t, CURLcode code) {
    long status = 0, os_error = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_error);
    struct http_response *r = &t->response;
    r->result = t->too_large ? HTTP_TOO_LARGE : classify(t, code, os_error);
    r->status = r->result == HTTP_ANSWERED ? (int)status : 0;
    r->elapsed_ms = clock_now().mono_ms - t->started_ms;
    t->body[r->body_len] = '\0';
    r->body = t->body;
    if (r->result != HTTP_ANSWERED) {
        struct buf detail = BUF(r->detail);
        describe(t, os_error, &detail);
    }
    release(t);
    t->done(t->context, r);
    if (t->easy == NULL)
        wipe_response(t);
}

/* The transfer goes before its callback may start the next one, so only one message is taken at a time. */
static void collect(void) {
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &left)) != NULL;) {
        struct http_transfer *t = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        finish(t, message->data.result);
    }
}

/* ---- the event loop's side ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *of_socket) {
    (void)easy, (void)context, (void)of_socket;
    int events = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        events |= HTTP_READ;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        events |= HTTP_WRITE;
    hooks.watch(hooks.context, fd, events);
    return 0;
}

static int on_timer(CURLM *m, long delay_ms, void *context) {
    (void)m, (void)context;
    hooks.timer(hooks.context, delay_ms);
    return 0;
}

enum err http_open(const struct http_hooks *given) {
    if (curl_global_init_mem(CURL_GLOBAL_NOTHING, malloc, wiping_free, wiping_realloc, strdup, calloc) !=
        CURLE_OK)
        return ERR_SYSTEM;
    multi = curl_multi_init();
    if (multi == NULL)
        return ERR_SYSTEM;
    if (given == NULL)
        return ERR_OK;
    hooks = *given;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    return ERR_OK;
}

void http_close(void) {
    curl_multi_cleanup(multi);
    multi = NULL;
    curl_global_cleanup();
}

static bool add_headers(struct http_transfer *t, const struct http_request *request) {
    static char storage[HTTP_HEADER_LINE_MAX]; /* of this call only: libcurl copies what it is given */
    struct curl_slist *list = NULL;
    bool ok = request->header_count <= HTTP_REQUEST_HEADERS_MAX;
    for (size_t i = 0; ok && i < request->header_count; i++) {
        struct buf line = BUF(storage);
        buf_str(&line, request->headers[i].name);
        buf_str(&line, ": ");
        buf_str(&line, request->headers[i].value);
        struct curl_slist *longer = line.overflow ? NULL : curl_slist_append(list, line.data);
        ok = longer != NULL;
        if (ok)
            list = longer;
        buf_wipe(&line);
    }
    t->header_list = list;
    return ok;
}

static void set_options(struct http_transfer *t, const struct http_request *request) {
    CURL *easy = t->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->header_list);
    if (request->body != NULL) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)request->body_len);
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body);
    }
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
    /* Hours lie between two requests: no connection is worth keeping. */
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->total_timeout_ms);
    if (request->local) {
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    }
    if (t->tls)
        curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file != NULL ? ca_file : "");
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
}

void http_trust(const char *path) {
    ca_file = path;
}

enum err http_start(struct http_transfer *t, const struct http_request *request, http_done *done,
                    void *context) {
    http_cancel(t);
    wipe_response(t);
    t->tls = strncmp(request->url, "https:", 6) == 0;
    t->done = done;
    t->context = context;
    t->started_ms = clock_now().mono_ms;
    t->easy = curl_easy_init();
    if (t->easy != NULL && add_headers(t, request)) {
        set_options(t, request);
        if (curl_multi_add_handle(multi, t->easy) == CURLM_OK)
            return ERR_OK;
    }
    release(t);
    return ERR_SYSTEM;
}

void http_cancel(struct http_transfer *t) {
    if (t->easy == NULL)
        return;
    release(t);
    wipe_response(t);
}

void http_socket(int fd, int events) {
    int running;
    int mask = ((events & HTTP_READ) != 0 ? CURL_CSELECT_IN : 0) |
               ((events & HTTP_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
    curl_multi_socket_action(multi, fd, mask, &running);
    collect();
}

void http_timer(void) {
    int running;
    curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect();
}

void http_wait(struct http_transfer *t) {
    enum { LONGEST_POLL_MS = 1000 }; /* libcurl shortens it to its own next timeout */
    while (t->easy != NULL) {
        int running;
        curl_multi_perform(multi, &running);
        collect();
        if (t->easy != NULL)
            curl_multi_poll(multi, NULL, 0, LONGEST_POLL_MS, NULL);
    }
}
