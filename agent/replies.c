#include "agent/replies.h"

#include <string.h>

#include "agent/metrics.h"
#include "common/base/far.h"
#include "common/base/timefmt.h"
#include "common/base/wipe.h"

#define HEAD_MAX 320
#define ERRORS 8 /* that live at a time: each is small enough to go out at once, but to who reads none */
#define PLAIN "text/plain; charset=utf-8"
#define NOSNIFF "X-Content-Type-Options: nosniff\r\n" /* as Go's http.Error has it */
#define RETRY "Retry-After: 1\r\n"

static replies_retire *retire;

struct heads {
    char keep[HEAD_MAX], close[HEAD_MAX];
};

static void put_head(int status, const char *type, const char *more, size_t body_len, struct buf *out) {
    buf_fmt(out, "HTTP/1.1 %d %s\r\n%s%s%s%sContent-Length: %zu\r\n", status, answer_phrase(status),
            *type != '\0' ? "Content-Type: " : "", type, *type != '\0' ? "\r\n" : "", more, body_len);
}

static void render(struct answer *a, struct heads *heads, int status, const char *type, const char *more,
                   const char *body, size_t body_len) {
    struct buf keep = BUF(heads->keep), close = BUF(heads->close);
    put_head(status, type, more, body_len, &keep);
    buf_put(&close, keep.data, keep.len);
    buf_str(&keep, "\r\n");
    buf_str(&close, "Connection: close\r\n\r\n");
    *a = (struct answer){
        .keep = keep.data,
        .close = close.data,
        .body = body,
        .body_len = (uint32_t)body_len,
        .keep_len = (uint16_t)keep.len,
        .close_len = (uint16_t)close.len,
        .status = (int16_t)status,
    };
}

/* ---- what never changes: rendered when it is first wanted ---- */

struct fixed {
    struct answer answer;
    struct heads heads;
};

static const struct answer *fixed(struct fixed *f, int status, const char *more, const char *text) {
    if (f->answer.body == NULL)
        render(&f->answer, &f->heads, status, PLAIN, more, text, strlen(text));
    return &f->answer;
}

const struct answer *replies_fixed(enum replies_fixed which) {
    static struct fixed all[REPLIES_FIXED];
    static const struct {
        int status;
        const char *more, *text;
    } texts[REPLIES_FIXED] = {
        [REPLIES_NOT_FOUND] = {404, NOSNIFF, "404 page not found\n"},
        [REPLIES_LIMITED] = {429, NOSNIFF RETRY, "Too Many Requests\n"},
        [REPLIES_LATE] = {503, NOSNIFF RETRY, "no answer came within 20 seconds; ask again\n"},
        [REPLIES_BUSY] = {503, NOSNIFF RETRY, "too many requests wait for an answer; ask again\n"},
    };
    return fixed(&all[which], texts[which].status, texts[which].more, texts[which].text);
}

const struct answer *replies_refuse(int status) {
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {400, "400 Bad Request"},
        {403, "403 Forbidden"},
        {413, "413 Request Entity Too Large: requests have no body here"},
        {414, "414 Request URI Too Long"},
        {431, "431 Request Header Fields Too Large"},
        {501, "Unsupported transfer encoding"},
        {505, "505 HTTP Version Not Supported: unsupported protocol version"},
        {503, "503 Service Unavailable: too many unfinished requests; ask again"},
    };
    static struct fixed all[sizeof texts / sizeof texts[0]];
    size_t i = 0;
    while (i + 1 < sizeof texts / sizeof texts[0] && texts[i].status != status)
        i++;
    return fixed(&all[i], texts[i].status, texts[i].status == 503 ? RETRY : "", texts[i].text);
}

/* ---- errors ---- */

FAR static struct moment_reply {
    struct answer answer;
    struct heads heads;
    char body[REPLIES_TEXT_MAX];
} errors[ERRORS], outcomes[ERRORS];

static const struct answer *next(struct moment_reply *ring, unsigned *at, int status, const char *text) {
    struct moment_reply *m = &ring[*at];
    struct buf body = BUF(m->body);
    *at = (*at + 1) % ERRORS;
    if (m->answer.body != NULL)
        retire(&m->answer);
    buf_put(&body, text, strnlen(text, sizeof m->body - 2));
    buf_char(&body, '\n');
    render(&m->answer, &m->heads, status, PLAIN, NOSNIFF, body.data, body.len);
    return &m->answer;
}

const struct answer *replies_error(int status, const char *text) {
    static unsigned at;
    return next(errors, &at, status, text);
}

const struct answer *replies_outcome(int status, const char *text) {
    static unsigned at;
    return next(outcomes, &at, status, text);
}

const struct answer *replies_redirect(const char *path, bool get) {
    FAR static struct moment_reply redirect;
    char more[HEAD_MAX];
    struct buf body = BUF(redirect.body), location = BUF(more);
    if (redirect.answer.keep != NULL)
        retire(&redirect.answer);
    if (get)
        buf_fmt(&body, "<a href=\"%s\">Temporary Redirect</a>.\n\n", path);
    buf_fmt(&location, "Location: %s\r\n", path);
    render(&redirect.answer, &redirect.heads, 307, get ? "text/html; charset=utf-8" : "", location.data,
           body.data, body.len);
    return &redirect.answer;
}

/* ---- 200 ---- */

void replies_credentials(const struct credentials *c, struct buf *out) {
    char expiration[TIME_UTC_MAX];
    const struct {
        const char *name, *value;
    } members[] = {{"{\"AccessKeyId\":", c->access_key_id},
                   {",\"SecretAccessKey\":", c->secret_access_key},
                   {",\"Token\":", c->session_token},
                   {",\"AccountId\":", c->account_id},
                   {",\"Expiration\":", expiration}};
    time_format_utc(c->expires_ms / 1000, expiration);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (members[i].value[0] == '\0')
            continue;
        buf_str(out, members[i].name);
        buf_json(out, members[i].value, strlen(members[i].value));
    }
    buf_char(out, '}');
}

void replies_head(size_t body_len, struct buf *out) {
    put_head(200, "application/json", "", body_len, out);
}

FAR static struct passed {
    struct answer answer;
    struct heads heads;
    char body[REPLIES_BODY_MAX];
} passed[2];

const struct answer *replies_passed(const char *body, size_t len) {
    static unsigned at;
    struct passed *p = &passed[at];
    at = 1 - at;
    if (p->answer.body != NULL)
        retire(&p->answer);
    wipe(p->body, p->answer.body_len);
    memcpy(p->body, body, len);
    render(&p->answer, &p->heads, 200, "application/json", "", p->body, len);
    return &p->answer;
}

/* ---- probes and metrics ---- */

FAR static struct page {
    struct answer answer;
    struct heads heads;
    char body[METRICS_TEXT_MAX];
} page;

struct buf replies_page_begin(void) {
    if (page.answer.body != NULL)
        retire(&page.answer);
    return BUF(page.body);
}

const struct answer *replies_page_end(int status, const char *type, const struct buf *body) {
    render(&page.answer, &page.heads, status, type, "", body->data, body->len);
    return &page.answer;
}

void replies_open(replies_retire *given) {
    retire = given;
}

void replies_wipe(void) {
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
        wipe(passed[i].body, passed[i].answer.body_len);
}
