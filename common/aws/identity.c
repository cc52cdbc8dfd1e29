#include "common/aws/identity.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/owner.h"

struct attempt {
    const struct endpoint *sts;
    struct identity_exchange *exchange;
    struct sts_identity *out;
    struct failure *failure;
    enum reason reason;
    int64_t date_s;
};

static void on_response(void *context, const struct http_response *response) {
    struct attempt *a = context;
    a->reason = sts_identity(a->sts, response, a->out, a->failure);
    if (response->result == HTTP_NO_MEMORY)
        a->reason = http_out_of_memory(a->failure);
    a->date_s = response->date_s;
}

/* Whose identity is asked for: STS names what it was sent where it refuses the signature. */
static void visit_signer(struct secret_holder *holder, secrets_take *take, void *context) {
    const struct credentials *c = OWNER(holder, struct identity_exchange, holder)->signer;
    if (c == NULL)
        return;
    take(context, c->secret_access_key, strlen(c->secret_access_key));
    take(context, c->session_token, strlen(c->session_token));
}

static void ask(struct attempt *a, const struct credentials *c, int64_t skew_s) {
    struct aws_call *call = &a->exchange->call;
    struct http_transfer *transfer = &a->exchange->transfer;
    struct http_request request;
    int64_t unix_s = clock_now().wall_ms / 1000 + skew_s;
    a->date_s = 0;
    if (sts_caller_identity(a->sts, c, unix_s, call, &request) == ERR_OK &&
        http_start(transfer, &request, on_response, a) == ERR_OK) {
        aws_call_wipe(call);
        http_wait(transfer);
        return;
    }
    aws_call_wipe(call);
    struct buf m = failure_begin(a->failure, REASON_INTERNAL);
    buf_str(&m, "cannot begin a request to STS: out of memory, or its URL is too long");
    failure_remedy(a->failure, "raise the container's memory limit; shorten AWS_ENDPOINT_URL_STS");
    a->reason = REASON_INTERNAL;
}

static enum reason ask_twice(const struct endpoint *sts, const struct credentials *credentials,
                             struct identity_exchange *exchange, struct sts_identity *out, int64_t *skew_s,
                             struct failure *failure) {
    struct attempt a = {.sts = sts, .exchange = exchange, .out = out, .failure = failure};
    *skew_s = 0;
    ask(&a, credentials, 0);
    if (a.reason == REASON_OK || a.date_s == 0 || failure->cause == NULL ||
        strcmp(failure->cause, AWS_CAUSE_SIGNATURE) != 0)
        return a.reason;
    int64_t off_s = a.date_s - clock_now().wall_ms / 1000;
    if (off_s < AWS_CALL_SKEW_MIN_S && off_s > -AWS_CALL_SKEW_MIN_S)
        return a.reason;
    *skew_s = off_s;
    ask(&a, credentials, off_s);
    return a.reason;
}

enum reason identity_ask(const struct endpoint *sts, const struct credentials *credentials,
                         struct identity_exchange *exchange, struct sts_identity *out, int64_t *skew_s,
                         struct failure *failure) {
    exchange->holder.visit = visit_signer;
    exchange->signer = credentials;
    secrets_hold(&exchange->holder);
    enum reason reason = ask_twice(sts, credentials, exchange, out, skew_s, failure);
    exchange->signer = NULL;
    return reason;
}
