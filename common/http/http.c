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
#include "common/http/http_header.h"

#define RECEIVE_BUFFER 4096 /* answers are small; libcurl's default of 16 kB would stay resident */

static CURLM *multi; /* one client for the process, as there is one loop that drives it */
static const char *ca_file;
static struct http_hooks hooks;
static int64_t curl_due_ms; /* monotonic: when libcurl wants to be called without an event */

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

static size_t take_header(char *line, size_t size, size_t count, void *transfer) {
    struct http_transfer *t = transfer;
    size_t len = size * count, value_len;
    t->headers_len += len;
    if (t->headers_len > HTTP_HEADERS_MAX) {
        t->too_large = true;
        return 0;
    }
    const char *value = http_header_value(line, len, "Retry-After", &value_len);
    if (value != NULL)
        t->response.retry_after_ms = http_retry_after_ms(value, value_len);
    value = http_header_value(line, len, "Date", &value_len);
    if (value != NULL && time_parse_http(value, value_len, &t->response.date_s) != ERR_OK)
        t->response.date_s = 0;
    http_header_who(line, len, &t->response.who);
    return len;
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
    bool refused = t->response.proxy_status != 0 && t->response.proxy_status / 100 != 2;
    if (refused || says(t, "CONNECT"))
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
        return http_result_of_connect(os_error);
    case CURLE_COULDNT_RESOLVE_HOST:
        return HTTP_NO_NAME;
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
    enum { HOST_MAX = 64 };
    const struct proxy *proxy = &t->lookup.proxy;
    bool of_another =
        os_error == ECONNREFUSED && t->response.result != HTTP_REFUSED; /* address of the host */
    if (t->response.result == HTTP_PROXY && t->response.proxy_status != 0)
        buf_fmt(out, "it answered %d to CONNECT", t->response.proxy_status);
    else if (os_error != 0 && !of_another &&
             (!t->tls || t->response.result == http_result_of_connect(os_error)))
        buf_str(out, strerror((int)os_error));
    else if (t->tls || t->response.result == HTTP_PROXY || t->response.result == HTTP_FAILED)
        buf_printable(out, t->error, strlen(t->error), HTTP_DETAIL_MAX - 32);
    if (proxy->variable == NULL)
        return;
    buf_fmt(out, "%sthrough %s, ", out->len > 0 ? ", " : "", proxy->variable);
    buf_printable(out, proxy->host, strlen(proxy->host), HOST_MAX);
    buf_fmt(out, " port %u", (unsigned)proxy->port);
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
    lookup_cancel(&t->lookup);
    if (t->easy != NULL) {
        curl_multi_remove_handle(multi, t->easy);
        curl_easy_cleanup(t->easy);
    }
    curl_slist_free_all(t->header_list);
    curl_slist_free_all(t->proxy_header_list);
    curl_slist_free_all(t->address_list);
    t->easy = t->header_list = t->proxy_header_list = t->address_list = NULL;
}

/* libcurl's side ends before the callback, which may start the transfer anew. */
static void conclude(struct http_transfer *t) {
    struct http_response *r = &t->response;
    r->elapsed_ms = clock_now().mono_ms - t->started_ms;
    t->body[r->body_len] = '\0';
    r->body = t->body;
    release(t);
    t->done(t->context, r);
    if (t->easy == NULL)
        wipe_response(t);
}

static void finish(struct http_transfer *t, CURLcode code) {
    long status = 0, os_error = 0, proxy_status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_error);
    curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
    struct http_response *r = &t->response;
    r->proxy_variable = t->lookup.proxy.variable;
    r->proxy_status = (int)proxy_status;
    r->result = t->too_large ? HTTP_TOO_LARGE : classify(t, code, os_error);
    r->status = r->result == HTTP_ANSWERED ? (int)status : 0;
    if (r->result != HTTP_ANSWERED) {
        struct buf detail = BUF(r->detail);
        describe(t, os_error, &detail);
    }
    conclude(t);
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

/* ---- names, before libcurl's part ---- */

static bool append(void *list, const char *text) {
    struct curl_slist **head = list, *longer = curl_slist_append(*head, text);
    if (longer != NULL)
        *head = longer;
    return longer != NULL;
}

static bool set_route(struct http_transfer *t) {
    static char storage[HTTP_HEADER_LINE_MAX];
    const struct lookup *l = &t->lookup;
    struct buf text = BUF(storage);
    int64_t left_ms = t->started_ms + t->total_timeout_ms - clock_now().mono_ms;
    bool ok = curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)(left_ms > 1 ? left_ms : 1)) == CURLE_OK;
    lookup_put_addresses(l, &text);
    if (text.len > 0)
        ok = ok && append(&t->address_list, text.data) &&
             curl_easy_setopt(t->easy, CURLOPT_RESOLVE, t->address_list) == CURLE_OK;
    buf_reset(&text);
    lookup_put_proxy(l, &text);
    ok = ok && curl_easy_setopt(t->easy, CURLOPT_PROXY, text.data) == CURLE_OK;
    buf_reset(&text);
    if (l->proxy.variable != NULL && l->proxy.authorization[0] != '\0') {
        buf_fmt(&text, "Proxy-Authorization: %s", l->proxy.authorization);
        ok = ok && append(&t->proxy_header_list, text.data) &&
             curl_easy_setopt(t->easy, CURLOPT_PROXYHEADER, t->proxy_header_list) == CURLE_OK;
    }
    buf_wipe(&text);
    return ok && curl_multi_add_handle(multi, t->easy) == CURLM_OK;
}

static void fail_lookup(struct http_transfer *t) {
    const struct lookup *l = &t->lookup;
    struct buf detail = BUF(t->response.detail);
    bool proxied = l->proxy.variable != NULL;
    t->response.proxy_variable = l->proxy.variable;
    t->response.result = proxied ? HTTP_PROXY : http_result_of_lookup(l->state);
    if (proxied)
        buf_fmt(&detail, "%s %s", l->proxy.variable, l->problem != NULL ? l->problem : "names its host: ");
    if (l->problem == NULL)
        resolver_describe(&l->resolver, &detail);
    conclude(t);
}

static void collect_lookups(void) {
    for (struct lookup *l; (l = lookup_step(clock_now().mono_ms)) != NULL;) {
        struct http_transfer *t = l->owner;
        if (l->problem != NULL || l->state != RESOLVER_FOUND)
            fail_lookup(t);
        else if (!set_route(t))
            finish(t, CURLE_OUT_OF_MEMORY);
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

/* One timer for both. */
static void arm(void) {
    int64_t named = lookup_deadline(), now_ms = clock_now().mono_ms,
            next = named < curl_due_ms ? named : curl_due_ms;
    if (hooks.timer != NULL)
        hooks.timer(hooks.context, next == CLOCK_NEVER ? -1 : next > now_ms ? next - now_ms : 0);
}

static int on_timer(CURLM *m, long delay_ms, void *context) {
    (void)m, (void)context;
    curl_due_ms = delay_ms < 0 ? CLOCK_NEVER : clock_now().mono_ms + delay_ms;
    arm();
    return 0;
}

static void watch_lookup(int fd, int events) {
    if (hooks.watch != NULL)
        hooks.watch(hooks.context, fd, events);
}

enum err http_open(const struct http_hooks *given) {
    if (curl_global_init_mem(CURL_GLOBAL_NOTHING, malloc, wiping_free, wiping_realloc, strdup, calloc) !=
        CURLE_OK)
        return ERR_SYSTEM;
    multi = curl_multi_init();
    if (multi == NULL)
        return ERR_SYSTEM;
    curl_due_ms = CLOCK_NEVER;
    lookup_open(watch_lookup);
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
        ok = !line.overflow && append(&list, line.data);
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
    t->total_timeout_ms = request->total_timeout_ms;
    int64_t name_ms =
        t->total_timeout_ms < request->connect_timeout_ms ? t->total_timeout_ms : request->connect_timeout_ms;
    t->easy = curl_easy_init();
    if (t->easy != NULL && add_headers(t, request)) {
        set_options(t, request);
        if (lookup_start(&t->lookup, request->url, request->local, (unsigned char *)t->body,
                         t->started_ms + name_ms, t) == ERR_OK) {
            arm();
            return ERR_OK;
        }
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
    int unused;
    int mask = ((events & HTTP_READ) != 0 ? CURL_CSELECT_IN : 0) |
               ((events & HTTP_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
    if (!lookup_owns(fd))
        curl_multi_socket_action(multi, fd, mask, &unused);
    collect();
    collect_lookups();
    arm();
}

void http_timer(void) {
    int unused;
    if (clock_now().mono_ms >= curl_due_ms) {
        curl_due_ms = CLOCK_NEVER;
        curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &unused);
    }
    collect();
    collect_lookups();
    arm();
}

void http_wait(struct http_transfer *t) {
    enum { LONGEST_POLL_MS = 1000 }; /* libcurl shortens it to its own next timeout */
    while (t->easy != NULL) {
        int unused;
        if (t->lookup.running) {
            lookup_wait(&t->lookup, clock_now().mono_ms);
            collect_lookups();
            continue;
        }
        curl_multi_perform(multi, &unused);
        collect();
        if (t->easy != NULL && !t->lookup.running)
            curl_multi_poll(multi, NULL, 0, LONGEST_POLL_MS, NULL);
    }
}
