#include "agent/exchange.h"

#include <string.h>
#include <sys/random.h>

#include "common/base/far.h"
#include "common/base/pages.h"
#include "common/base/wipe.h"
#include "common/serve/loop.h"

#define USUAL_TOKEN 4096 /* bytes; tokens have 1 to 2 KiB */
#define LATE_MS 50       /* a request's own limit may end it that much early, by another clock */

FAR static struct exchange slots[EXCHANGE_SLOTS_MAX];
FAR struct aws_call exchange_call;
static size_t slot_count, used_high; /* used_high: slots that were taken since all were free */
static exchange_done *done;
static struct loop_timer timer = {.deadline_ms = CLOCK_NEVER};

/* ---- errors ---- */

static const char *source = "";

void exchange_source(const char *name) {
    source = name;
}

void exchange_fail(struct exchange *x, enum exchange_blame blame, int status, const char *request_id,
                   const char *code, const char *message, const char *fault) {
    exchange_error_say(&x->error, blame, status, request_id, code, message, fault);
}

void exchange_error_say(struct exchange_error *e, enum exchange_blame blame, int status,
                        const char *request_id, const char *code, const char *message, const char *fault) {
    struct buf text = BUF(e->text), kept = BUF(e->code);
    e->blame = blame;
    e->status = status;
    e->passing = blame == EXCHANGE_WAY;
    buf_printable(&kept, code, strlen(code), sizeof e->code - 8);
    buf_char(&text, '[');
    if (*request_id == '\0' && *code != '\0')
        request_id = source;
    buf_printable(&text, request_id, strlen(request_id), 128);
    buf_char(&text, ']');
    if (*code == '\0')
        return;
    buf_fmt(&text, ": (%s): ", e->code);
    buf_printable(&text, message, strlen(message), EXCHANGE_TEXT_MAX - 256);
    buf_fmt(&text, ", fault: %s", fault);
}

_Static_assert(EXCHANGE_WORDS_MAX + FAILURE_MESSAGE_MAX < EXCHANGE_TEXT_MAX, "both have room");

void exchange_fail_silent(struct exchange *x, enum exchange_blame blame, bool passing, const char *words) {
    struct exchange_error *e = &x->error;
    struct buf text = BUF(e->text);
    e->blame = blame;
    e->status = 500;
    e->passing = passing;
    e->retry_after_ms = x->failure.retry_after_ms;
    e->code[0] = '\0';
    buf_str(&text, words);
    buf_printable(&text, x->failure.message, strlen(x->failure.message), FAILURE_MESSAGE_MAX);
}

/* ---- one fetch ---- */

static void set_timer(void) {
    timer.deadline_ms = CLOCK_NEVER;
    for (size_t i = 0; i < slot_count; i++) {
        if (slots[i].busy && slots[i].again_ms < timer.deadline_ms)
            timer.deadline_ms = slots[i].again_ms;
    }
}

/* What many fetches at once have touched is memory of ours for good otherwise. A slot that is free holds
 * nothing that exchange_take() does not set, so it may be zero; the first one stays as it is, for the next.
 */
static void give_back(void) {
    if (used_high <= 1 || exchange_count() > 0)
        return;
    used_high = 0;
    pages_give_back(&slots[1], &slots[slot_count]);
}

/* The memory of one that is larger than tokens are goes back: else each slot would come to hold one, as long
 * as others are busy. */
static void forget_token(struct token *token) {
    bool large = token->len > USUAL_TOKEN;
    token_wipe(token);
    if (large)
        pages_give_back(token->text + USUAL_TOKEN, token->text + sizeof token->text);
}

static void release(struct exchange *x) {
    if (x->method != NULL && x->method->wipe != NULL)
        x->method->wipe(x);
    forget_token(&x->token);
    credentials_wipe(&x->credentials);
    wipe(&x->claims, sizeof x->claims);
    x->association = NULL;
    x->busy = false;
    give_back();
}

static void finish(struct exchange *x, const struct exchange_error *error) {
    x->again_ms = CLOCK_NEVER;
    x->waiting = false;
    done(x, error);
    release(x);
    set_timer();
}

/* Between attempts, as the real agent: a random part of 1 s, then of 2 s. */
static int64_t pause_ms(const struct exchange *x) {
    uint32_t random = 0;
    (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
    return (int64_t)(random % (1000U << (x->attempts - 1)));
}

static void failed(struct exchange *x) {
    int64_t now_ms = clock_now().mono_ms, again_ms = now_ms + pause_ms(x);
    if (x->error.retry_after_ms > again_ms - now_ms)
        again_ms = now_ms + x->error.retry_after_ms;
    bool again = x->error.passing && x->attempts < EXCHANGE_ATTEMPTS &&
                 again_ms - x->started_ms + EXCHANGE_ATTEMPT_MIN_MS <= EXCHANGE_BUDGET_MS;
    if (!again) {
        finish(x, &x->error);
        return;
    }
    x->again_ms = again_ms;
    set_timer();
}

static void on_response(void *context, const struct http_response *response);

static void go_on(struct exchange *x, enum exchange_step step, struct http_request *request) {
    int64_t left_ms = x->started_ms + EXCHANGE_BUDGET_MS - clock_now().mono_ms;
    bool started = false;
    if (step == EXCHANGE_SEND) {
        if (left_ms < EXCHANGE_ATTEMPT_MIN_MS)
            left_ms = EXCHANGE_ATTEMPT_MIN_MS;
        x->sent++;
        x->own_ms = request->total_timeout_ms;
        if (request->total_timeout_ms > left_ms)
            request->total_timeout_ms = left_ms;
        started = http_start(&x->transfer, request, on_response, x) == ERR_OK;
    }
    aws_call_wipe(&exchange_call);
    if (step == EXCHANGE_SEND && !started) {
        struct buf m = failure_begin(&x->failure, REASON_INTERNAL);
        buf_str(&m, "cannot begin a request: out of memory");
        exchange_fail_silent(x, EXCHANGE_WAY, false, "");
        step = EXCHANGE_FAILED;
    }
    x->waiting = step == EXCHANGE_WAIT;
    if (x->waiting) {
        x->told = 0;
        x->again_ms = x->started_ms + EXCHANGE_BUDGET_MS;
        set_timer();
    }
    if (step == EXCHANGE_DONE)
        finish(x, NULL);
    if (step == EXCHANGE_FAILED)
        failed(x);
}

/* Silence that the end of the budget has cut tells nothing: where an attempt before it was answered as far
 * along or further, that stands, in the error and in the failure. */
static bool tells_nothing(const struct exchange *x, const struct http_response *r) {
    return http_result_stage(r->result) == HTTP_STAGE_ANSWER && http_result_silent(r->result) &&
           r->elapsed_ms + LATE_MS < x->own_ms && x->sent <= x->told;
}

static void on_response(void *context, const struct http_response *response) {
    struct exchange *x = context;
    struct http_request request;
    if (tells_nothing(x, response)) {
        finish(x, &x->error);
        return;
    }
    x->error.retry_after_ms = 0;
    enum exchange_step step = x->method->answer(x, response, clock_now(), &request);
    if (step == EXCHANGE_FAILED)
        x->told = response->result == HTTP_ANSWERED ? x->sent : 0;
    go_on(x, step, &request);
}

static void begin(struct exchange *x) {
    struct http_request request;
    x->sent = 0;
    enum exchange_step step = x->method->begin(x, clock_now(), &request);
    x->again_ms = CLOCK_NEVER;
    if (step != EXCHANGE_WAIT)
        x->attempts++;
    x->first = false;
    go_on(x, step, &request);
}

void exchange_start(struct exchange *x, const struct exchange_method *method) {
    x->method = method;
    x->first = true;
    x->attempts = x->told = 0;
    x->started_ms = clock_now().mono_ms;
    memset(&x->error, 0, offsetof(struct exchange_error, text) + 1);
    begin(x);
}

static void on_timer(struct loop_timer *t) {
    (void)t;
    int64_t now_ms = clock_now().mono_ms;
    for (size_t i = 0; i < slot_count; i++) {
        struct exchange *x = &slots[i];
        if (!x->busy || x->again_ms > now_ms)
            continue;
        if (x->waiting) { /* for too long: failure says for what */
            x->waiting = false;
            exchange_fail_silent(x, EXCHANGE_NODE, false, "");
            finish(x, &x->error);
        } else {
            begin(x);
        }
    }
    set_timer();
}

void exchange_poke(void) {
    for (size_t i = 0; i < slot_count; i++) {
        if (slots[i].busy && slots[i].waiting)
            begin(&slots[i]);
    }
}

/* ---- slots ---- */

void exchange_open(size_t count, exchange_done *on_done) {
    slot_count = count < EXCHANGE_SLOTS_MAX ? count : EXCHANGE_SLOTS_MAX;
    done = on_done;
    timer.expired = on_timer;
    loop_add_timer(&timer);
}

struct exchange *exchange_take(void) {
    for (size_t i = 0; i < slot_count; i++) {
        if (!slots[i].busy) {
            slots[i].busy = true;
            slots[i].number = i;
            used_high = i >= used_high ? i + 1 : used_high;
            slots[i].again_ms = CLOCK_NEVER;
            slots[i].waiting = false;
            slots[i].method = NULL;
            return &slots[i];
        }
    }
    return NULL;
}

size_t exchange_count(void) {
    size_t count = 0;
    for (size_t i = 0; i < slot_count; i++)
        count += slots[i].busy;
    return count;
}

void exchange_cancel(struct exchange *x) {
    http_cancel(&x->transfer);
    x->again_ms = CLOCK_NEVER;
    x->waiting = false;
    release(x);
    set_timer();
}

void exchange_close(void) {
    for (size_t i = 0; i < slot_count; i++) {
        if (slots[i].busy)
            exchange_cancel(&slots[i]);
    }
}
