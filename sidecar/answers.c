#include "sidecar/answers.h"

#include <string.h>

#include "common/wipe.h"

#define HEAD_MAX 192
#define FIXED_BODY_MAX 448

/* One rendering. The body has room for credentials and for an error: message and remedy, twice, as JSON. */
struct rendering {
    struct answer answer;
    char keep[HEAD_MAX], close[HEAD_MAX];
    char body[CREDENTIALS_RENDERED_MAX];
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
    char keep[HEAD_MAX], close[HEAD_MAX], body[FIXED_BODY_MAX];
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

static size_t put_head(char *head, int status, const char *type, size_t body_len, bool close) {
    struct buf out = buf_over(head, HEAD_MAX);
    buf_fmt(&out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n",
            status, phrase(status), type, body_len);
    if (status == 405)
        buf_str(&out, "Allow: GET, HEAD\r\n");
    if (close)
        buf_str(&out, "Connection: close\r\n");
    buf_str(&out, "\r\n");
    return out.len;
}

static void render(struct answer *a, char *keep, char *close, int status, const char *type,
                   const struct buf *body) {
    *a = (struct answer){
        .keep = keep,
        .close = close,
        .keep_len = put_head(keep, status, type, body->len, false),
        .close_len = put_head(close, status, type, body->len, true),
        .body = body->data,
        .body_len = body->len,
    };
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

/* The place for the next rendering of a page, emptied of the one before the present. */
static struct buf begin_page(enum answers_page which) {
    struct page *page = &pages[which];
    struct rendering *r = &page->turns[1 - page->current];
    if (r->answer.body != NULL && on_retired != NULL)
        on_retired(&r->answer);
    wipe(r->body, r->answer.body_len);
    return BUF(r->body);
}

static void end_page(enum answers_page which, int status, const char *type, const struct buf *body) {
    struct page *page = &pages[which];
    page->current = 1 - page->current;
    struct rendering *r = &page->turns[page->current];
    render(&r->answer, r->keep, r->close, status, type, body);
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
    struct buf body = begin_page(ANSWERS_CREDENTIALS);
    credentials_render_container(c, &body);
    end_page(ANSWERS_CREDENTIALS, 200, "application/json", &body);
    body = begin_page(ANSWERS_PROCESS);
    credentials_render_process(c, &body);
    end_page(ANSWERS_PROCESS, 200, "application/json", &body);
}

void answers_set_failure(const struct failure *f) {
    static const enum answers_page both[] = {ANSWERS_CREDENTIALS, ANSWERS_PROCESS};
    char text[FAILURE_MESSAGE_MAX + FAILURE_REMEDY_MAX + 16];
    struct buf message = BUF(text);
    buf_str(&message, f->message);
    if (f->remedy[0] != '\0')
        buf_fmt(&message, ". Remedy: %s", f->remedy);
    for (size_t i = 0; i < sizeof both / sizeof both[0]; i++) {
        struct buf body = begin_page(both[i]);
        put_error_body(&body, reason_name(f->reason), message.data);
        if (body.overflow) { /* only escapes can make it so: the reason alone always fits */
            buf_reset(&body);
            put_error_body(&body, reason_name(f->reason), reason_name(f->reason));
        }
        end_page(both[i], 503, "application/json", &body);
    }
}

void answers_set_ready(const char *why) {
    struct buf body = begin_page(ANSWERS_READY);
    buf_str(&body, why != NULL ? why : "ready");
    buf_char(&body, '\n');
    end_page(ANSWERS_READY, why != NULL ? 503 : 200, "text/plain; charset=utf-8", &body);
}

void answers_open(answers_retired *retired) {
    on_retired = retired;
    for (size_t i = 0; i < ERRORS; i++) {
        struct buf body = BUF(fixed[i].body);
        put_error_body(&body, errors[i].code, errors[i].message);
        render(&fixed[i].answer, fixed[i].keep, fixed[i].close, errors[i].status, "application/json", &body);
    }
    struct buf body = BUF(health.body);
    buf_str(&body, "ok\n");
    render(&health.answer, health.keep, health.close, 200, "text/plain; charset=utf-8", &body);
    struct failure starting;
    struct buf m = failure_begin(&starting, REASON_AGENT_UNREACHABLE);
    buf_str(&m, "the first fetch has not ended yet");
    answers_set_failure(&starting);
    answers_set_ready(starting.message);
}

void answers_wipe(void) {
    for (int i = 0; i < ANSWERS_PAGES; i++) {
        for (int turn = 0; turn < 2; turn++)
            wipe(pages[i].turns[turn].body, pages[i].turns[turn].answer.body_len);
    }
}
