#include "common/http/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/scratch.h"
#include "common/base/wipe.h"
#include "common/http/ca_bundle.h"
#include "common/http/http_memory.h"
#include "common/http/tls.h"

#define NO_LOOKUP "http://0.0.0.0" /* of which there is nothing to look up */
#define RECEIVE_BUFFER 4096        /* answers are small; libcurl's default of 16 kB would stay resident */

static CURLM *multi; /* one client for the process, as there is one loop that drives it */
static const char *trusted_file;
static struct http_hooks hooks;
static int64_t curl_due_ms; /* monotonic: when libcurl wants to be called without an event */

/* ---- answers ---- */

static long info(const struct http_transfer *t, CURLINFO what) {
    long value = 0;
    return curl_easy_getinfo(t->easy, what, &value) == CURLE_OK ? value : 0;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *transfer) {
    struct http_transfer *t = transfer;
    size_t len = size * count;
    if (t->receive != NULL && info(t, CURLINFO_RESPONSE_CODE) == 200)
        return t->receive(t->context, bytes, len) ? len : 0;
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
    return http_head_take(&t->head, line, size * count, &t->response) ? size * count : 0;
}

/* BearSSL's own number, or one of tls_chain.h; the proxy's comes first, as its handshake does. */
static long tls_error(const struct http_transfer *t) {
    long of_proxy = info(t, CURLINFO_PROXY_SSL_VERIFYRESULT);
    return of_proxy != 0 ? of_proxy : info(t, CURLINFO_SSL_VERIFYRESULT);
}

/* To which TCP has connected, or "". */
static const char *address(const struct http_transfer *t) {
    const char *ip;
    return curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &ip) == CURLE_OK ? ip : "";
}

static enum http_result classify_timeout(const struct http_transfer *t) {
    curl_off_t ready_us = 0; /* until the proxy and TLS let the request through */
    (void)curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    return http_result_of_timeout(address(t)[0] != '\0', ready_us > 0, &t->response);
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
        return http_result_of_end(t->response.proxy_status, t->head.len > 0);
    case CURLE_WRITE_ERROR:
    case CURLE_TOO_LARGE:
        return HTTP_TOO_LARGE;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        return HTTP_NOT_HTTP;
    case CURLE_SSL_CACERT_BADFILE:
        return HTTP_TLS_NO_CA;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
        return HTTP_TLS;
    default:
        return HTTP_FAILED;
    }
}

/* No text of libcurl, which saw the URL, the proxy's password and headers. */
static void describe(struct http_transfer *t, CURLcode code, long os_error, struct buf *out) {
    enum { HOST_MAX = 64 };
    const struct proxy *proxy = &t->lookup.proxy;
    struct http_response *r = &t->response;
    bool of_another = os_error == ECONNREFUSED && r->result != HTTP_REFUSED; /* address of the host */
    http_result_detail(r, t->head.whole, address(t), out);
    if (r->result == HTTP_TLS)
        r->result = tls_verdict(&t->tls, tls_error(t), out);
    else if (r->result == HTTP_TLS_NO_CA && t->ca_file != NULL)
        ca_bundle_explain(t->ca_file, out);
    else if (os_error != 0 && !of_another && out->len == 0)
        buf_str(out, strerror((int)os_error));
    else if (r->result == HTTP_FAILED)
        buf_fmt(out, "libcurl's error %d", (int)code);
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
    memset(&t->head, 0, sizeof t->head);
    t->too_large = false;
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
    long os_error = info(t, CURLINFO_OS_ERRNO);
    struct http_response *r = &t->response;
    r->proxy_variable = t->lookup.proxy.variable;
    r->proxy_status = (int)info(t, CURLINFO_HTTP_CONNECTCODE);
    if (code == CURLE_OK && !t->head.whole) /* a head that ends midway is whole for libcurl */
        code = CURLE_PARTIAL_FILE;
    bool no_memory = code != CURLE_OK && t->memory_failures != http_memory_failures();
    r->result = no_memory                           ? HTTP_NO_MEMORY
                : t->too_large || t->head.too_large ? HTTP_TOO_LARGE
                : t->head.not_http                  ? HTTP_NOT_HTTP
                                                    : classify(t, code, os_error);
    r->status = r->result == HTTP_ANSWERED ? (int)info(t, CURLINFO_RESPONSE_CODE) : 0;
    if (r->result != HTTP_ANSWERED) {
        struct buf detail = {r->detail, strlen(r->detail), sizeof r->detail, false}; /* see http_head.h */
        describe(t, code, os_error, &detail);
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
    SCRATCH static char storage[HTTP_HEADER_LINE_MAX];
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
    if (curl_global_init_mem(CURL_GLOBAL_NOTHING, http_memory_malloc, http_memory_free, http_memory_realloc,
                             http_memory_strdup, http_memory_calloc) != CURLE_OK ||
        (multi = curl_multi_init()) == NULL)
        return ERR_SYSTEM;
    curl_due_ms = CLOCK_NEVER;
    lookup_open(watch_lookup);
    if (given == NULL)
        return ERR_OK;
    hooks = *given;
    bool ok = curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
              curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK;
    return ok ? ERR_OK : ERR_SYSTEM;
}

void http_close(void) {
    curl_multi_cleanup(multi);
    multi = NULL;
    curl_global_cleanup();
}

static bool add_headers(struct http_transfer *t, const struct http_request *request) {
    SCRATCH static char storage[HTTP_HEADER_LINE_MAX]; /* libcurl copies what it is given */
    struct curl_slist *list = NULL;
    bool ok = request->header_count <= HTTP_REQUEST_HEADERS_MAX;
    for (size_t i = 0; ok && i < request->header_count; i++) {
        struct buf line = BUF(storage);
        buf_fmt(&line, "%s: %s", request->headers[i].name, request->headers[i].value);
        ok = !line.overflow && append(&list, line.data);
        buf_wipe(&line);
    }
    t->header_list = list;
    return ok;
}

/* Called by libcurl before each handshake. Without authorities nobody is trusted. */
static CURLcode begin_tls(CURL *easy, void *client, void *transfer) {
    struct http_transfer *t = transfer;
    struct ca_counts counts;
    bool changed;
    (void)easy;
    if (t->ca_file == NULL || ca_bundle_load(t->ca_file, &counts, &changed) != ERR_OK)
        return CURLE_SSL_CACERT_BADFILE;
    char text[LOG_LINE_MAX / 4];
    struct buf unusable = BUF(text);
    if (changed && ca_bundle_unusable(&counts, &unusable))
        LOG(LOG_WARN, "authorities that cannot be used", LOG_TEXT("ca_bundle", t->ca_file),
            LOG_TEXT("detail", unusable.data));
    tls_begin(client, &t->tls, t->ca_file, (unsigned char *)t->body, HTTP_BODY_MAX);
    return CURLE_OK;
}

/* Called by libcurl before each connection. Where memory ran out while it found out whom to connect to, it
 * may have left out a part: the proxy, say, or its port. */
static int may_connect(void *transfer, curl_socket_t fd, curlsocktype purpose) {
    const struct http_transfer *t = transfer;
    (void)fd, (void)purpose;
    return t->memory_failures == http_memory_failures() ? CURL_SOCKOPT_OK : CURL_SOCKOPT_ERROR;
}

/* What is not taken must not be left out: without the options of the proxy, say, a token went to it. */
#define SET(option, value) (ok = curl_easy_setopt(easy, (option), (value)) == CURLE_OK && ok)

static bool set_callbacks(struct http_transfer *t) {
    CURL *easy = t->easy;
    bool ok = true;
    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_SSL_CTX_FUNCTION, begin_tls);
    SET(CURLOPT_SSL_CTX_DATA, t);
    SET(CURLOPT_SOCKOPTFUNCTION, may_connect);
    SET(CURLOPT_SOCKOPTDATA, t);
    return ok;
}

static bool set_options(struct http_transfer *t, const struct http_request *request) {
    CURL *easy = t->easy;
    bool ok = set_callbacks(t);
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_CUSTOMREQUEST, request->method);
    SET(CURLOPT_HTTPHEADER, t->header_list);
    if (request->body != NULL) {
        SET(CURLOPT_POSTFIELDSIZE, (long)request->body_len);
        SET(CURLOPT_COPYPOSTFIELDS, request->body);
    }
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* a proxy's headers are not the server's */
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
    SET(CURLOPT_FORBID_REUSE, 1L); /* hours lie between two requests: no connection is worth keeping */
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    ok = (request->resolved == NULL || append(&t->address_list, request->resolved)) && ok;
    SET(CURLOPT_RESOLVE, t->address_list);
    return ok;
}

void http_trust(const char *path) {
    trusted_file = path;
}

enum err http_start(struct http_transfer *t, const struct http_request *request, http_done *done,
                    void *context) {
    http_cancel(t);
    wipe_response(t);
    t->done = done;
    t->receive = request->receive;
    t->context = context;
    t->ca_file = request->ca_file != NULL ? request->ca_file : trusted_file;
    t->started_ms = clock_now().mono_ms;
    t->total_timeout_ms = request->total_timeout_ms;
    t->memory_failures = http_memory_failures();
    int64_t name_ms = request->connect_timeout_ms;
    name_ms = t->total_timeout_ms < name_ms ? t->total_timeout_ms : name_ms;
    t->easy = curl_easy_init();
    if (t->easy != NULL && add_headers(t, request) && set_options(t, request) &&
        lookup_start(&t->lookup, request->resolved != NULL ? NO_LOOKUP : request->url,
                     request->local || request->resolved != NULL, (unsigned char *)t->body,
                     t->started_ms + name_ms, t) == ERR_OK) {
        arm();
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
