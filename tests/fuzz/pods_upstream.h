/* For pods_fuzz.c: tokens of a few pods and forged ones, the node's own credentials, and an EKS Auth that
 * answers when and how the input says. */
#ifndef POD_IDENTITY_TESTS_FUZZ_PODS_UPSTREAM_H
#define POD_IDENTITY_TESTS_FUZZ_PODS_UPSTREAM_H

#include "agent/node.h"
#include "common/base/clock.h"
#include "common/http/http.h"
#include "tests/fuzz/program.h"

#define PODS 5
#define TOKENS 3 /* of each pod, one after another */
#define FORGED 4 /* with the UID of each pod */
#define SLOTS 2
#define TOKEN_MAX 640

/* ---- the node's own credentials ---- */

const struct credentials *node_credentials(const struct failure **why) {
    static const struct credentials own = {.access_key_id = "ASIANODE",
                                           .secret_access_key = "secret",
                                           .session_token = "session",
                                           .expires_ms = CLOCK_NEVER};
    *why = NULL;
    return &own;
}

const char *node_region(void) {
    return "eu-central-1";
}

const char *node_kind(void) {
    return "environment";
}

bool node_refused(void) {
    return false;
}

/* ---- tokens ---- */

static char tokens[PODS][TOKENS + FORGED][TOKEN_MAX];

static void put_base64(const char *text, char *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t len = strlen(text), n = 0;
    for (size_t i = 0; i < len; i += 3) {
        unsigned bits = (unsigned char)text[i] << 16;
        bits |= i + 1 < len ? (unsigned)(unsigned char)text[i + 1] << 8 : 0;
        bits |= i + 2 < len ? (unsigned char)text[i + 2] : 0;
        for (size_t k = 0; k < 4 && k < len - i + 1; k++)
            out[n++] = digits[bits >> (18 - 6 * k) & 63];
    }
    out[n] = '\0';
}

static void make_tokens(void) {
    for (int pod = 0; pod < PODS; pod++) {
        for (int i = 0; i < TOKENS + FORGED; i++) {
            char claims[320], payload[480];
            snprintf(claims, sizeof claims,
                     "{\"exp\":1795%06d,\"kubernetes.io\":{\"namespace\":\"n%d\",\"pod\":{\"name\":\"p\","
                     "\"uid\":\"uid-%d\"},"
                     "\"serviceaccount\":{\"name\":\"s\"}}}",
                     400000 + i * 5000, pod % 2, pod);
            put_base64(claims, payload);
            snprintf(tokens[pod][i], TOKEN_MAX, "e30.%s.%s%d%d00", payload, i < TOKENS ? "GOOD" : "EVIL", pod,
                     i);
        }
    }
}

/* ---- EKS Auth ---- */

enum { CALLS_MAX = SLOTS + 1 };

static struct call {
    struct http_transfer *transfer;
    http_done *done;
    void *context;
    int pod, token;
} calls[CALLS_MAX];

static unsigned edition;
static int64_t ends_ms[1 << 16];

static void find_token(const char *body, size_t len, struct call *c) {
    for (c->pod = 0; c->pod < PODS; c->pod++) {
        for (c->token = 0; c->token < TOKENS + FORGED; c->token++) {
            const char *token = tokens[c->pod][c->token];
            if (memmem(body, len, token, strlen(token)) != NULL)
                return;
        }
    }
    HOLDS(!"a token that nobody has sent");
}

enum err http_start(struct http_transfer *transfer, const struct http_request *request, http_done *done,
                    void *context) {
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (calls[i].transfer == NULL) {
            calls[i] = (struct call){.transfer = transfer, .done = done, .context = context};
            find_token(request->body, request->body_len, &calls[i]);
            return ERR_OK;
        }
    }
    HOLDS(!"more at a time than --max-concurrency");
    return ERR_SYSTEM;
}

void http_cancel(struct http_transfer *transfer) {
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (calls[i].transfer == transfer)
            calls[i].transfer = NULL;
    }
}

#define ERROR(type) "{\"__type\":\"" type "\",\"message\":\"m\"}"

static const struct bad_answer {
    enum http_result result;
    int status;
    int64_t retry_after_ms;
    const char *body;
} bad_answers[] = {
    {HTTP_ANSWERED, 404, 0, ERROR("ResourceNotFoundException")},
    {HTTP_ANSWERED, 400, 0, ERROR("AccessDeniedException")},
    {HTTP_ANSWERED, 400, 0, ERROR("InvalidTokenException")},
    {HTTP_ANSWERED, 403, 0, ERROR("AccessDeniedException")},
    {HTTP_ANSWERED, 403, 0, ERROR("UnrecognizedClientException")},
    {HTTP_ANSWERED, 429, 3000, ERROR("ThrottlingException")},
    {HTTP_ANSWERED, 500, 0, ERROR("InternalServerException")},
    {HTTP_ANSWERED, 503, 60000, "<html>busy</html>"},
    {HTTP_ANSWERED, 200, 0, "<html>proxy</html>"},
    {HTTP_ANSWERED, 200, 0, "{\"credentials\":{}}"},
    {HTTP_ANSWERED, 200, 0, ""},
    {HTTP_ANSWER_TIMEOUT, 0, 0, ""},
    {HTTP_CUT_SHORT, 0, 0, ""},
};
#define BAD_ANSWERS (sizeof bad_answers / sizeof bad_answers[0])

static void put_credentials(const struct call *c, int64_t life_ms, size_t size, char *out, size_t cap) {
    static char session[4097];
    edition = (edition + 1) & 0xFFFF;
    ends_ms[edition] = (now.wall_ms + life_ms) / 1000 * 1000;
    memset(session, 'T', size);
    session[size] = '\0';
    snprintf(
        out, cap,
        "{\"credentials\":{\"accessKeyId\":\"ASIA%d%05u\",\"secretAccessKey\":\"secret%d%05u\","
        "\"sessionToken\":\"%s%05u\","
        "\"expiration\":%lld},\"assumedRoleUser\":{\"arn\":\"arn:aws:sts::111122223333:assumed-role/r/s\"}}",
        c->pod, edition, c->pod, edition, session, edition, (long long)(ends_ms[edition] / 1000));
}

static void answer_upstream(size_t which, uint8_t how) {
    static char body[8192];
    struct call c = calls[which % CALLS_MAX];
    struct http_response r = {.result = HTTP_ANSWERED, .status = 200, .body = body, .elapsed_ms = 5};
    if (c.transfer == NULL)
        return;
    if ((how & 1) == 0 && c.token < TOKENS) {
        put_credentials(&c, (how & 2) == 0 ? 21600000 : (how >> 2) * 1000 - 10000,
                        (how & 4) == 0 ? 200 : 3000, body, sizeof body);
    } else {
        const struct bad_answer *bad = &bad_answers[(how & 1) == 0 ? 2 : (how >> 1) % BAD_ANSWERS];
        r.result = bad->result;
        r.status = bad->status;
        r.retry_after_ms = bad->retry_after_ms;
        snprintf(body, sizeof body, "%s", bad->body);
    }
    r.body_len = strlen(body);
    calls[which % CALLS_MAX].transfer = NULL;
    c.done(c.context, &r);
}

#endif
