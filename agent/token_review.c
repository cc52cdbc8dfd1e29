#include "agent/token_review.h"

#include <string.h>

#include "agent/json_scan.h"
#include "common/base/far.h"
#include "common/text/quote.h"

#define PATH "/apis/authentication.k8s.io/v1/tokenreviews"
#define PURPOSE "review a pod's token"
#define QUOTED_MAX 300
#define ERROR_MAX 2048 /* of the error that is read: several authenticators may have had their say */

FAR static struct api_call call;

enum reason token_review_request(const struct api_server *server, const char *audience,
                                 const struct token *token, char *body, size_t body_cap,
                                 struct http_request *out, struct failure *f) {
    struct buf b = buf_over(body, body_cap);
    buf_str(
        &b,
        "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenReview\",\"spec\":{\"audiences\":[");
    buf_json(&b, audience, strlen(audience));
    buf_str(&b, "],\"token\":");
    buf_json(&b, token->text, token->len);
    buf_str(&b, "}}");
    if (b.overflow) {
        struct buf m = failure_begin(f, REASON_TOKEN_INVALID);
        buf_fmt(&m, "the token has %zu characters: a review of at most %zu is asked for", token->len,
                body_cap);
        return f->reason;
    }
    return api_server_request(server, "POST", PATH, body, b.len, &call, out, f);
}

void token_review_forget(void) {
    api_call_wipe(&call);
}

static bool is_true(struct json_span value) {
    return value.len == 4 && memcmp(value.at, "true", 4) == 0;
}

static enum reason refused(struct json_span status, struct failure *f) {
    struct json_span error;
    char text[ERROR_MAX];
    size_t len = 0;
    enum err e = ERR_OK;
    struct buf m = failure_begin(f, REASON_TOKEN_INVALID);
    f->cause = "review";
    buf_str(&m, "the API server does not take the token");
    if (json_span_member(status, "error", &error))
        e = json_span_text(error, text, sizeof text, &len);
    if (e == ERR_TOO_LONG) {
        buf_fmt(&m, ", with an error of more than %d bytes", ERROR_MAX - 1);
    } else if (e == ERR_OK && len > 0) {
        buf_str(&m, ": ");
        quote_text(&m, text, len, QUOTED_MAX);
    }
    failure_remedy(f,
                   "a token ends with its pod: delete the pod if it still runs, so that it gets a fresh one");
    return f->reason;
}

enum reason token_review_answer(const struct api_server *server, const struct http_response *r,
                                struct failure *f) {
    struct json_span review, status, authenticated;
    if (r->result != HTTP_ANSWERED || (r->status != 200 && r->status != 201))
        return api_server_failed(server, PATH, PURPOSE, r, f);
    if (!json_span_of(r->body, r->body_len, &review) || !json_span_member(review, "status", &status) ||
        *status.at != '{') {
        struct buf m = failure_begin(f, REASON_BAD_RESPONSE);
        f->cause = "nonsense";
        buf_fmt(&m, "%s" PATH " answered %d with %zu bytes that are no TokenReview", server->url, r->status,
                r->body_len);
        failure_remedy(f, "check that an API server answers there");
        return f->reason;
    }
    return json_span_member(status, "authenticated", &authenticated) && is_true(authenticated)
               ? REASON_OK
               : refused(status, f);
}
