#include "sidecar/answers.h"

#include <string.h>

#include "common/wipe.h"

#define HEAD_MAX 256
#define ERROR_BODY_MAX 5120 /* message and remedy, twice, as JSON */
#define PAGE_BYTES (CREDENTIALS_RENDERED_MAX + HEAD_MAX)
#define FIXED_BYTES 640

/* One rendering: the two forms, in storage of its own. */
struct rendering {
    struct answer answer;
    char keep[PAGE_BYTES], close[PAGE_BYTES];
};

static struct page {
    struct rendering turns[2];
    int current;
} pages[ANSWERS_PAGES];

static const struct error {
    int status;
    const char *code, *message;
} errors[] = {
    {.status = 400, .code = "BadRequest", .message = "This is no well-formed HTTP/1.1 request."},
    {.status = 401,
     .code = "Unauthorized",
     .message = "The Authorization header must hold the token of this endpoint, without a scheme word: set "
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE to the sidecar's --http-token-file."},
    {.status = 403,
     .code = "Forbidden",
     .message = "The Host header must be the address of this endpoint, with or without its port."},
    {.status = 404, .code = "NotFound", .message = "No such path is served here."},
    {.status = 405, .code = "MethodNotAllowed", .message = "Only GET and HEAD are allowed here."},
    {.status = 413, .code = "ContentTooLarge", .message = "Requests have no body here."},
    {.status = 414, .code = "UriTooLong", .message = "The request target is longer than 1024 characters."},
    {.status = 431,
     .code = "HeaderFieldsTooLarge",
     .message = "More than 100 headers or 16384 bytes of them."},
    {.status = 501, .code = "NotImplemented", .message = "Transfer codings are not supported: send no body."},
    {.status = 503, .code = "Busy", .message = "Too many unfinished requests at once: try again."},
    {.status = 505, .code = "VersionNotSupported", .message = "Only HTTP/1.1 and HTTP/1.0 are spoken here."},
};

#define ERRORS (sizeof errors / sizeof errors[0])

static struct fixed {
    struct answer answer;
    char keep[FIXED_BYTES], close[FIXED_BYTES];
} fixed[ERRORS], health;
static answers_retired *on_retired;

static const char *phrase(int status) {
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {{200, "OK"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {413, "Content Too Large"},
                   {414, "URI Too Long"},
                   {431, "Request Header Fields Too Large"},
                   {501, "Not Implemented"},
                   {503, "Service Unavailable"},
                   {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        if (phrases[i].status == status)
            return phrases[i].phrase;
    }
    return "Error";
}

static size_t put_answer(struct buf *out, int status, const char *type, const struct buf *body, bool close) {
    buf_fmt(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n",
            status, phrase(status), type, body->len);
    if (status == 405)
        buf_str(out, "Allow: GET, HEAD\r\n");
    if (close)
        buf_str(out, "Connection: close\r\n");
    buf_str(out, "\r\n");
    size_t head = out->len;
    buf_put(out, body->data, body->len);
    return head;
}

static void render(struct answer *a, char *keep, char *close, size_t cap, int status, const char *type,
                   const struct buf *body) {
    struct buf k = buf_over(keep, cap), c = buf_over(close, cap);
    a->keep_head = put_answer(&k, status, type, body, false);
    a->close_head = put_answer(&c, status, type, body, true);
    a->keep = keep;
    a->close = close;
    a->keep_len = k.len;
    a->close_len = c.len;
}

/* Both spellings of code and message: Go and Java read the lower-case ones, JavaScript and Rust the others.
 */
static void put_error_body(struct buf *out, const char *code, const char *message) {
    static const char *const keys[][2] = {{"code", "message"}, {"Code", "Message"}};
    for (int i = 0; i < 2; i++) {
        buf_fmt(out, "%c\"%s\":", i == 0 ? '{' : ',', keys[i][0]);
        buf_json(out, code, strlen(code));
        buf_fmt(out, ",\"%s\":", keys[i][1]);
        buf_json(out, message, strlen(message));
    }
    buf_char(out, '}');
}

static void set_page(enum answers_page which, int status, const char *type, const struct buf *body) {
    struct page *page = &pages[which];
    int turn = 1 - page->current;
    struct rendering *r = &page->turns[turn];
    if (r->answer.keep_len > 0 && on_retired != NULL) {
        on_retired(r->keep, r->answer.keep_len);
        on_retired(r->close, r->answer.close_len);
    }
    wipe(r->keep, r->answer.keep_len);
    wipe(r->close, r->answer.close_len);
    render(&r->answer, r->keep, r->close, sizeof r->keep, status, type, body);
    page->current = turn;
}

const struct answer *answers_page(enum answers_page page) {
    return &pages[page].turns[pages[page].current].answer;
}

const struct answer *answers_health(void) {
    return &health.answer;
}

const struct answer *answers_error(int status) {
    size_t i = 0;
    while (i + 1 < ERRORS && errors[i].status != status)
        i++;
    return &fixed[i].answer;
}

void answers_set_credentials(const struct credentials *c) {
    static char storage[CREDENTIALS_RENDERED_MAX];
    struct buf body = BUF(storage);
    credentials_render_container(c, &body);
    set_page(ANSWERS_CREDENTIALS, 200, "application/json", &body);
    buf_reset(&body);
    credentials_render_process(c, &body);
    set_page(ANSWERS_PROCESS, 200, "application/json", &body);
    wipe(storage, body.len);
}

void answers_set_failure(const struct failure *f) {
    char text[FAILURE_MESSAGE_MAX + FAILURE_REMEDY_MAX + 16], storage[ERROR_BODY_MAX];
    struct buf message = BUF(text), body = BUF(storage);
    buf_str(&message, f->message);
    if (f->remedy[0] != '\0')
        buf_fmt(&message, ". Remedy: %s", f->remedy);
    put_error_body(&body, reason_name(f->reason), message.data);
    if (body.overflow) { /* only escapes can make it so: the reason alone always fits */
        buf_reset(&body);
        put_error_body(&body, reason_name(f->reason), reason_name(f->reason));
    }
    set_page(ANSWERS_CREDENTIALS, 503, "application/json", &body);
    set_page(ANSWERS_PROCESS, 503, "application/json", &body);
}

void answers_set_ready(const char *why) {
    char storage[FAILURE_MESSAGE_MAX + 2];
    struct buf body = BUF(storage);
    buf_str(&body, why != NULL ? why : "ready");
    buf_char(&body, '\n');
    set_page(ANSWERS_READY, why != NULL ? 503 : 200, "text/plain; charset=utf-8", &body);
}

void answers_open(answers_retired *retired) {
    char storage[FIXED_BYTES - HEAD_MAX];
    struct buf body = BUF(storage);
    on_retired = retired;
    for (size_t i = 0; i < ERRORS; i++) {
        struct fixed *f = &fixed[i];
        buf_reset(&body);
        put_error_body(&body, errors[i].code, errors[i].message);
        render(&f->answer, f->keep, f->close, sizeof f->keep, errors[i].status, "application/json", &body);
    }
    buf_reset(&body);
    buf_str(&body, "ok\n");
    render(&health.answer, health.keep, health.close, sizeof health.keep, 200, "text/plain; charset=utf-8",
           &body);
    struct failure starting;
    struct buf m = failure_begin(&starting, REASON_AGENT_UNREACHABLE);
    buf_str(&m, "the first fetch has not ended yet");
    answers_set_failure(&starting);
    answers_set_ready(starting.message);
}

void answers_wipe(void) {
    wipe(pages, sizeof pages);
}
