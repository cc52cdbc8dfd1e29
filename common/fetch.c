#include "common/fetch.h"

static bool is_answer(enum http_result result) {
    return result == HTTP_ANSWERED || result == HTTP_CUT_SHORT || result == HTTP_NOT_HTTP ||
           result == HTTP_TOO_LARGE;
}

static void report(struct fetch *f, enum reason reason, const struct http_response *response) {
    struct fetch_outcome outcome = {
        .reason = reason,
        .credentials = &f->credentials,
        .failure = &f->failure,
        .answered = response != NULL && is_answer(response->result),
        .elapsed_ms = response != NULL ? response->elapsed_ms : 0,
        .date_s = response != NULL ? response->date_s : 0,
    };
    f->done(f->context, &outcome);
    credentials_wipe(&f->credentials);
}

static void on_response(void *context, const struct http_response *response) {
    struct fetch *f = context;
    report(f, source_result(f->source, response, clock_now(), &f->credentials, &f->failure), response);
}

void fetch_start(struct fetch *fetch, struct source *source, int64_t timeout_ms, fetch_done *done,
                 void *context) {
    struct http_request request;
    fetch->source = source;
    fetch->done = done;
    fetch->context = context;
    enum reason reason = source_request(source, &request, &fetch->failure);
    if (reason == REASON_OK) {
        if (timeout_ms > 0 && timeout_ms < request.total_timeout_ms)
            request.total_timeout_ms = timeout_ms;
        if (fetch->connect_timeout_ms > 0)
            request.connect_timeout_ms = fetch->connect_timeout_ms;
        if (http_start(&fetch->transfer, &request, on_response, fetch) == ERR_OK) {
            source_forget(source);
            return;
        }
        struct buf m = failure_begin(&fetch->failure, REASON_INTERNAL);
        buf_str(&m, "cannot begin a request: out of memory");
        failure_remedy(&fetch->failure, "raise the container's memory limit");
        reason = REASON_INTERNAL;
    }
    source_forget(source);
    report(fetch, reason, NULL);
}

void fetch_wait(struct fetch *fetch) {
    http_wait(&fetch->transfer);
}

void fetch_cancel(struct fetch *fetch) {
    http_cancel(&fetch->transfer);
    credentials_wipe(&fetch->credentials);
}
