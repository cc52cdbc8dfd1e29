#include "common/source/fetch.h"

static bool is_answer(enum http_result result) {
    return result == HTTP_ANSWERED || result == HTTP_CUT_SHORT || result == HTTP_NOT_HTTP ||
           result == HTTP_TOO_LARGE;
}

/* How far it came, and how long it was silent there. */
static void measure(const struct fetch *f, const struct http_response *r, struct fetch_outcome *out) {
    enum { STAGES = HTTP_STAGE_ANSWER + 1 };
    enum http_stage stage = http_result_stage(r->result);
    out->reached = (unsigned)f->source->at * STAGES + stage;
    out->silent_ms = http_result_silent(r->result) ? r->elapsed_ms : 0;
    out->patience_ms = stage < HTTP_STAGE_ANSWER ? f->own_connect_ms : f->own_total_ms;
}

static void report(struct fetch *f, enum reason reason, const struct http_response *response) {
    struct fetch_outcome outcome = {
        .reason = reason,
        .credentials = source_credentials(f->source),
        .ends_wall_ms = reason == REASON_OK ? source_ends_wall_ms(f->source) : 0,
        .failure = &f->failure,
        .answered = response != NULL && is_answer(response->result),
        .elapsed_ms = response != NULL ? clock_now().mono_ms - f->started_ms : 0,
        .date_s = response != NULL ? response->date_s : 0,
    };
    if (response != NULL)
        measure(f, response, &outcome);
    f->done(f->context, &outcome);
    if (!f->keep_result)
        source_wipe_result(f->source);
}

/* The whole fetch has one limit: the last request gets what is left. */
static int64_t bounded(const struct fetch *f, int64_t own_ms) {
    int64_t left_ms = f->timeout_ms > 0 ? f->started_ms + f->timeout_ms - clock_now().mono_ms : own_ms;
    if (left_ms < FETCH_REQUEST_MIN_MS)
        left_ms = FETCH_REQUEST_MIN_MS;
    return left_ms < own_ms ? left_ms : own_ms;
}

static void on_response(void *context, const struct http_response *response);

static void go_on(struct fetch *f, enum source_step step, struct http_request *request,
                  const struct http_response *response) {
    enum reason reason = step == SOURCE_FAILED ? f->failure.reason : REASON_OK;
    if (step == SOURCE_SEND) {
        f->own_connect_ms = request->connect_timeout_ms;
        f->own_total_ms = request->total_timeout_ms;
        request->total_timeout_ms = bounded(f, request->total_timeout_ms);
        if (f->connect_timeout_ms > 0 && request->local)
            request->connect_timeout_ms = f->connect_timeout_ms;
        bool started = http_start(&f->transfer, request, on_response, f) == ERR_OK;
        source_forget(f->source);
        if (started)
            return;
        response = NULL;
        reason = http_out_of_memory(&f->failure);
    }
    source_forget(f->source);
    report(f, reason, response);
}

static void on_response(void *context, const struct http_response *response) {
    struct fetch *f = context;
    struct http_request request;
    enum source_step step = source_answer(f->source, response, clock_now(), &request, &f->failure);
    if (step == SOURCE_FAILED && response->result == HTTP_NO_MEMORY)
        (void)http_out_of_memory(&f->failure);
    go_on(f, step, &request, response);
}

void fetch_start(struct fetch *fetch, struct source *source, int64_t timeout_ms, fetch_done *done,
                 void *context) {
    struct http_request request;
    struct moment now = clock_now();
    fetch->source = source;
    fetch->done = done;
    fetch->context = context;
    fetch->timeout_ms = timeout_ms;
    fetch->started_ms = now.mono_ms;
    go_on(fetch, source_begin(source, now, &request, &fetch->failure), &request, NULL);
}

void fetch_wait(struct fetch *fetch) {
    http_wait(&fetch->transfer);
}

void fetch_cancel(struct fetch *fetch) {
    http_cancel(&fetch->transfer);
}
