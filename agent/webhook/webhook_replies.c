#include "agent/webhook/webhook_replies.h"

#include <string.h>

#include "agent/webhook/admission.h"
#include "common/base/far.h"
#include "common/base/pages.h"

#define HEAD_MAX 256
#define SLOW 16            /* clients that may be slow to take a review */
#define REVIEWS (SLOW + 1) /* the others take theirs at once, from the first place that is free */
#define ERRORS 4
#define KEPT_BYTES 16384 /* of a review's storage, after a large one: most have 10,000 at most */
#define PLAIN "text/plain; charset=utf-8"

static webhook_replies_writes *writes;
static webhook_replies_retire *retire;

/* A client does not take it as fast as it comes. */
static bool is_busy(const struct answer *a) {
    return a->body != NULL && writes(a);
}

struct heads {
    char keep[HEAD_MAX], close[HEAD_MAX];
};

static void render(struct answer *a, struct heads *heads, int status, const char *type,
                   const struct buf *body) {
    struct buf keep = BUF(heads->keep), close = BUF(heads->close);
    buf_fmt(&keep, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%sContent-Length: %zu\r\n", status,
            answer_phrase(status), type,
            status == 405   ? "Allow: POST\r\n"
            : status == 503 ? "Retry-After: 1\r\n"
                            : "",
            body->len);
    buf_put(&close, keep.data, keep.len);
    buf_str(&keep, "\r\n");
    buf_str(&close, "Connection: close\r\n\r\n");
    *a = (struct answer){
        .keep = keep.data,
        .close = close.data,
        .body = body->data,
        .body_len = (uint32_t)body->len,
        .keep_len = (uint16_t)keep.len,
        .close_len = (uint16_t)close.len,
        .status = (int16_t)status,
    };
}

/* ---- reviews ---- */

/* Apart from the texts, which are seldom touched but for the first. */
static struct review {
    struct answer answer;
    uint64_t number;
} reviews[REVIEWS];
static size_t current;
FAR static struct storage {
    struct heads heads;
    char body[ADMISSION_ANSWER_MAX];
} storage[REVIEWS];

/* What slow clients have taken until now is given back: all but the first text, and what is usual of that. */
static void tidy(void) {
    for (size_t i = 0; i < REVIEWS; i++) {
        struct answer *a = &reviews[i].answer;
        size_t kept = i == 0 ? KEPT_BYTES : 0;
        if (a->body_len <= kept || is_busy(a))
            continue;
        pages_give_back(storage[i].body + kept, storage[i].body + a->body_len);
        *a = (struct answer){0};
    }
}

/* The first that is free; else the one that has been there for longest. */
static size_t next_review(void) {
    size_t oldest = 0;
    for (size_t i = 0; i < REVIEWS; i++) {
        if (!is_busy(&reviews[i].answer))
            return i;
        if (reviews[i].number < reviews[oldest].number)
            oldest = i;
    }
    retire(&reviews[oldest].answer);
    return oldest;
}

struct buf webhook_replies_begin(void) {
    static uint64_t count;
    tidy();
    current = next_review();
    reviews[current].number = ++count;
    return BUF(storage[current].body);
}

const struct answer *webhook_replies_review(const struct buf *body) {
    render(&reviews[current].answer, &storage[current].heads, 200, "application/json", body);
    return &reviews[current].answer;
}

/* ---- the rest ---- */

static struct page {
    struct answer answer;
    struct heads heads;
    char body[WEBHOOK_PAGE_MAX];
} page;

struct buf webhook_replies_page_begin(void) {
    if (page.answer.body != NULL)
        retire(&page.answer);
    return BUF(page.body);
}

const struct answer *webhook_replies_page(int status, const char *type, const struct buf *body) {
    render(&page.answer, &page.heads, status, type, body);
    return &page.answer;
}

static struct error {
    struct answer answer;
    struct heads heads;
    char body[ADMISSION_PROBLEM_MAX + 8];
} errors[ERRORS];

const struct answer *webhook_replies_error(int status, const char *text) {
    static size_t at;
    for (size_t i = 0; i < ERRORS && is_busy(&errors[at].answer); i++)
        at = (at + 1) % ERRORS;
    struct error *e = &errors[at];
    struct buf body = BUF(e->body);
    at = (at + 1) % ERRORS;
    tidy();
    if (e->answer.body != NULL)
        retire(&e->answer);
    buf_put(&body, text, strnlen(text, sizeof e->body - 2));
    buf_char(&body, '\n');
    render(&e->answer, &e->heads, status, PLAIN, &body);
    return &e->answer;
}

const struct answer *webhook_replies_refuse(int status) {
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {400, "400 Bad Request\n"},
        {413, "413 Request Entity Too Large: a review has at most 3 MiB\n"},
        {414, "414 Request URI Too Long\n"},
        {431, "431 Request Header Fields Too Large\n"},
        {501, "501 Not Implemented: unsupported transfer encoding\n"},
        {505, "505 HTTP Version Not Supported\n"},
        {503, "503 Service Unavailable: too many unfinished requests; ask again\n"},
    };
    static struct {
        struct answer answer;
        struct heads heads;
        char body[96];
    } all[sizeof texts / sizeof texts[0]];
    size_t i = 0;
    while (i + 1 < sizeof texts / sizeof texts[0] && texts[i].status != status)
        i++;
    if (all[i].answer.body == NULL) {
        struct buf body = BUF(all[i].body);
        buf_str(&body, texts[i].text);
        render(&all[i].answer, &all[i].heads, texts[i].status, PLAIN, &body);
    }
    return &all[i].answer;
}

void webhook_replies_open(webhook_replies_writes *given_writes, webhook_replies_retire *given_retire) {
    writes = given_writes;
    retire = given_retire;
}
