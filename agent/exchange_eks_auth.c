#include "agent/exchange_eks_auth.h"

#include <string.h>

#include "agent/node.h"
#include "common/aws/eksauth.h"
#include "common/base/log.h"
#include "common/text/json.h"
#include "common/text/quote.h"

static const char *cluster;
static injection_getenv *lookup;
static bool pass_expired;
static struct endpoint endpoint; /* found once the region is known */
static bool endpoint_known;
static int64_t skew_ms; /* what AWS's clock is ahead of ours; 0 until a signature was refused for it */
static bool skew_corrected[EXCHANGE_SLOTS_MAX]; /* in this attempt, of each slot */

#define CONNECT_MS 2000
#define REQUEST_MS 10000 /* EKS Auth takes some 100 ms; the real agent gives up after 1 s, and asks again */
#define MESSAGE_MAX 1024

void exchange_eks_auth_open(const char *given_cluster, injection_getenv *given_lookup, bool pass) {
    cluster = given_cluster;
    lookup = given_lookup;
    pass_expired = pass;
    endpoint_known = false;
}

static enum exchange_step fail(struct exchange *x, enum exchange_blame blame, bool passing,
                               const char *words) {
    exchange_fail_silent(x, blame, passing, words);
    return EXCHANGE_FAILED;
}

/* Before our own message the words of the real agent's SDK, which tools look for: this project's init has
 * remedies for them. Only where they are true of ours. */
#define FETCH                                                                                                \
    "unable to fetch credentials from EKS Auth: operation error EKS Auth: AssumeRoleForPodIdentity, "

static const char *words_of_node(void) {
    return strcmp(node_kind(), "imds") == 0 ? FETCH
               "get identity: get credentials: failed to refresh cached credentials, "
                                            : "";
}

static const char *words_of_way(enum http_result result) {
    switch (result) {
    case HTTP_CUT_SHORT:
    case HTTP_NOT_HTTP:
    case HTTP_TOO_LARGE:
    case HTTP_NO_MEMORY:
        return ""; /* it was reached */
    default:
        return http_result_of_tls(result) ? FETCH "request send failed, x509: "
                                          : FETCH "request send failed, ";
    }
}

static bool find_endpoint(struct exchange *x) {
    if (!endpoint_known)
        endpoint_known =
            endpoint_find(ENDPOINT_EKS_AUTH, node_region(), lookup, &endpoint, &x->failure) == REASON_OK;
    return endpoint_known;
}

static enum exchange_step ask(struct exchange *x, struct moment now, struct http_request *out) {
    const struct failure *why = NULL;
    const struct credentials *signer = node_credentials(&why);
    if (signer == NULL && why == NULL) {
        struct buf m = failure_begin(&x->failure, REASON_AWS_UNREACHABLE);
        buf_str(&m, "the node's own credentials have not come yet");
        return EXCHANGE_WAIT;
    }
    if (signer == NULL) {
        x->failure = *why;
        return fail(x, EXCHANGE_NODE, false, words_of_node());
    }
    if (!find_endpoint(x))
        return fail(x, EXCHANGE_NODE, false, "");
    enum err e = eksauth_request(&endpoint, cluster, &x->token, signer, (now.wall_ms + skew_ms) / 1000,
                                 &exchange_call, out);
    if (e != ERR_OK) {
        struct buf m = failure_begin(&x->failure, REASON_TOKEN_INVALID);
        buf_str(&m, e == ERR_TOO_LONG ? "the token is longer than what can be sent to EKS Auth"
                                      : "the token holds characters that EKS Auth does not take");
        exchange_fail(x, EXCHANGE_POD, 400, "", "InvalidParameterException", x->failure.message, "client");
        return EXCHANGE_FAILED;
    }
    out->connect_timeout_ms = CONNECT_MS;
    out->total_timeout_ms = REQUEST_MS;
    return EXCHANGE_SEND;
}

static enum exchange_step begin(struct exchange *x, struct moment now, struct http_request *out) {
    skew_corrected[x->number] = false;
    return ask(x, now, out);
}

/* ---- errors ---- */

static bool is_own(const char *code) {
    static const char codes[][32] = {
        "AccessDeniedException",     "ExpiredTokenException",       "InternalServerException",
        "InvalidParameterException", "InvalidRequestException",     "InvalidTokenException",
        "ResourceNotFoundException", "ServiceUnavailableException", "ThrottlingException"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(codes[i], code) == 0)
            return true;
    }
    return false;
}

/* A denial of EKS Auth itself comes with 400 or 404; 403 is the front end's, about the node's credentials. */
static enum exchange_blame blame_of(int status, const char *code, const char *message) {
    if (status == 429 || status >= 500 || *code == '\0' || strcmp(code, "ThrottlingException") == 0)
        return EXCHANGE_WAY;
    if (strcmp(code, "ResourceNotFoundException") == 0 && strncmp(message, "No cluster found", 16) == 0)
        return EXCHANGE_NODE;
    return is_own(code) && (status == 400 || status == 404) ? EXCHANGE_POD : EXCHANGE_NODE;
}

/* The text as it is, unless something in it looks like a secret (somebody on the way echoes what was sent):
 * then without that. */
static void put_message(struct buf *out, const char *text) {
    char quoted[QUOTE_MAX + 64];
    struct buf q = BUF(quoted);
    quote_text(&q, text, strlen(text), QUOTE_MAX);
    if (q.len < 2)
        return;
    const char *inner = q.data + 1;
    size_t len = q.len - 2;
    bool same = len == strlen(text) && memcmp(inner, text, len) == 0;
    buf_printable(out, same ? text : inner, len, MESSAGE_MAX - 8);
}

/* Code and message of an AWS error in JSON. */
static void read_error(const struct http_response *r, char code[EXCHANGE_CODE_MAX],
                       char message[MESSAGE_MAX]) {
    const struct json *root;
    struct buf c = buf_over(code, EXCHANGE_CODE_MAX), m = buf_over(message, MESSAGE_MAX);
    if (json_open(r->body, r->body_len, &root) == ERR_OK) {
        const char *type = json_text(json_get(root, "__type")), *text = json_text(json_get(root, "message"));
        if (type == NULL)
            type = json_text(json_get(root, "code"));
        if (text == NULL)
            text = json_text(json_get(root, "Message"));
        if (r->who.error_type[0] != '\0')
            type = r->who.error_type;
        if (type != NULL && strchr(type, '#') != NULL)
            type = strchr(type, '#') + 1;
        if (type != NULL)
            buf_printable(&c, type, strcspn(type, ":"), EXCHANGE_CODE_MAX - 8);
        if (text != NULL)
            put_message(&m, text);
    }
    json_close();
}

/* The signature was refused, and the server's clock is far from ours: then that is why. Once in an attempt:
 * servers whose clocks differ, or a proxy's, would be asked again without end. */
static bool correct_skew(struct exchange *x, const struct http_response *r, struct moment now) {
    const char *cause = x->failure.cause;
    if (cause == NULL || strcmp(cause, AWS_CAUSE_SIGNATURE) != 0 || r->date_s == 0 ||
        skew_corrected[x->number])
        return false;
    int64_t off_s = r->date_s - (now.wall_ms + skew_ms) / 1000;
    if (off_s < AWS_CALL_SKEW_MIN_S && off_s > -AWS_CALL_SKEW_MIN_S)
        return false;
    skew_ms = r->date_s * 1000 - now.wall_ms;
    skew_corrected[x->number] = true;
    LOG(LOG_WARN, "this node's clock is off: requests are signed by the server's",
        LOG_NUMBER("server_ahead_s", skew_ms / 1000));
    return true;
}

static enum exchange_step refused(struct exchange *x, const struct http_response *r) {
    char code[EXCHANGE_CODE_MAX], message[MESSAGE_MAX];
    read_error(r, code, message);
    enum exchange_blame blame = blame_of(r->status, code, message);
    bool is_error = r->status >= 400 && r->status < 600; /* a proxy's 204 or 304 can have no text */
    const char *fault = !is_own(code) ? "unknown" : r->status >= 500 ? "server" : "client";
    exchange_fail(x, blame, is_error ? r->status : 500, r->who.request_id, code, message, fault);
    if (strstr(x->failure.remedy, "--node-credentials") != NULL) /* an option of the sidecar's */
        failure_remedy(&x->failure,
                       "the agent's own credentials must allow eks-auth:AssumeRoleForPodIdentity "
                       "(policy AmazonEKSWorkerNodePolicy), and must not have ended");
    x->error.retry_after_ms = r->retry_after_ms;
    x->error.passing = r->status == 429 || r->status >= 500;
    if (blame == EXCHANGE_NODE && r->status == 403 && strcmp(code, "AccessDeniedException") != 0)
        x->error.passing = node_refused();
    return EXCHANGE_FAILED;
}

/* Where the server's clock is ahead of ours for certain, what it grants ends earlier by ours. */
static int64_t ahead_ms(const struct http_response *r, struct moment now) {
    if (r->date_s == 0 || r->date_s * 1000 <= now.wall_ms)
        return 0;
    return r->date_s * 1000 + 999 + r->elapsed_ms - now.wall_ms;
}

static enum exchange_step answer(struct exchange *x, const struct http_response *r, struct moment now,
                                 struct http_request *out) {
    int64_t ahead = ahead_ms(r, now);
    const struct moment then = {.mono_ms = now.mono_ms, .wall_ms = pass_expired ? 0 : now.wall_ms + ahead};
    enum reason reason = eksauth_result(&endpoint, cluster, r, then, &x->credentials, NULL, &x->failure);
    x->ends_wall_ms = x->credentials.expires_ms - ahead;
    if (reason == REASON_OK)
        return EXCHANGE_DONE;
    if (r->result != HTTP_ANSWERED)
        return fail(x, EXCHANGE_WAY, true, words_of_way(r->result));
    if (correct_skew(x, r, now))
        return ask(x, now, out);
    if (r->status == 200 && x->failure.cause != NULL && strcmp(x->failure.cause, "expired") == 0)
        return fail(x, EXCHANGE_WAY, false, "");
    return refused(x, r);
}

const struct exchange_method exchange_eks_auth = {.begin = begin, .answer = answer, .wipe = NULL};
