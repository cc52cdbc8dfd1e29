/* Where keys come from, when they are read, and which tokens are believed. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "agent/keys.h"
#include "common/base/log.h"
#include "tests/rounds.h"
#include "tests/unit/agent/tokens.h"

#define NOW_MS (INT64_C(1795610096) * 1000)
#define ISSUER "https://kubernetes.default.svc.cluster.local"

/* ---- the HTTP client, by hand ---- */

static http_done *done;
static char asked[512], bearer[512];
static unsigned requests;

enum err http_start(struct http_transfer *t, const struct http_request *r, http_done *d, void *context) {
    (void)t, (void)context;
    snprintf(asked, sizeof asked, "%s %s at %s by %s", r->method, r->url, r->resolved, r->ca_file);
    snprintf(bearer, sizeof bearer, "%s", r->headers[0].value);
    assert_true(r->local);
    done = d;
    requests++;
    return ERR_OK;
}

void http_cancel(struct http_transfer *t) {
    (void)t;
}

static void answer(int status, const char *body) {
    const struct http_response r = {.result = status != 0 ? HTTP_ANSWERED : HTTP_CONNECT_TIMEOUT,
                                    .status = status,
                                    .body = body,
                                    .body_len = strlen(body)};
    done(NULL, &r);
}

/* ---- */

static const struct claims_rules rules = {
    .issuers = {ISSUER}, .issuer_count = 1, .audience = "pods.eks.amazonaws.com", .node = "node-1"};
static unsigned told;

static void changed(void) {
    told++;
}

static struct keys_settings settings = {.rules = &rules, .changed = changed};
static struct token_judgement judgement;
static int64_t mono_ms = 1000000;
static char path[512];

static void pass(int64_t ms) {
    mono_ms += ms;
    fake_clock(mono_ms, NOW_MS);
}

#define CLAIMS(issuer)                                                                                       \
    "{\"iss\":\"" issuer "\",\"aud\":[\"pods.eks.amazonaws.com\"],\"exp\":1795610196,\"nbf\":1795610000,"    \
    "\"sub\":\"system:serviceaccount:shop:cart\",\"kubernetes.io\":{\"namespace\":\"shop\","                 \
    "\"serviceaccount\":"                                                                                    \
    "{\"name\":\"cart\",\"uid\":\"s\"},\"pod\":{\"name\":\"cart-1\",\"uid\":\"u-1\"},\"node\":{\"name\":"    \
    "\"node-1\",\"uid\":\"n\"}}}"
#define HEADER(id) "{\"alg\":\"ES256\",\"kid\":\"" id "\"}"

static enum token_verdict judge(const char *token) {
    memset(&judgement, 0, sizeof judgement);
    return keys_judge(guarded(token, strlen(token)), strlen(token), clock_now(), &judgement);
}

static void refused(const char *token, const char *code, const char *words) {
    assert_int_equal(judge(token), TOKEN_REFUSED);
    assert_string_equal(judgement.code, code);
    if (strstr(judgement.why, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", judgement.why, words);
}

static void write_keys(const char *jwk) {
    char text[1024];
    snprintf(text, sizeof text, "{\"keys\":[%s]}", jwk);
    write_file(path, text, strlen(text));
}

static int set_up(void **state) {
    (void)state;
    pass(0);
    log_setup(LOG_ERROR, LOG_LOGFMT, open("/dev/null", O_WRONLY));
    snprintf(path, sizeof path, "%s", scratch_path("jwks.json"));
    return loop_open() ? 0 : 1;
}

/* ---- a file ---- */

static void without_a_file(void **state) {
    (void)state;
    settings.file = path;
    keys_open(&settings);
    rounds_open();
    assert_false(keys_ready());
    assert_non_null(strstr(keys_failure()->message, "--jwks="));
    assert_non_null(strstr(keys_failure()->message, "No such file or directory"));
    assert_int_equal(judge(tokens_sign(0, HEADER("a"), CLAIMS(ISSUER))), TOKEN_UNJUDGED);
    write_keys(tokens_jwk(0, "a"));
    pass(KEYS_RETRY_MS);
    rounds(1);
    assert_true(keys_ready());
    assert_true(told > 0);
}

static void whole_tokens(void **state) {
    (void)state;
    assert_int_equal(judge(tokens_sign(0, HEADER("a"), CLAIMS(ISSUER))), TOKEN_TRUSTED);
    assert_string_equal(judgement.claims.namespace, "shop");
    assert_string_equal(judgement.claims.service_account, "cart");
    assert_string_equal(judgement.claims.pod_uid, "u-1");
    /* Without an id, of the only key. */
    assert_int_equal(judge(tokens_sign(0, "{\"alg\":\"ES256\"}", CLAIMS(ISSUER))), TOKEN_TRUSTED);
}

static void forgeries(void **state) {
    (void)state;
    char token[8192];
    refused("", "InvalidTokenException", "cannot be read");
    refused("a.b", "InvalidTokenException", "cannot be read");
    refused(tokens_sign(1, HEADER("a"), CLAIMS(ISSUER)), "InvalidTokenException",
            "a signature that is not the cluster's");
    refused(tokens_sign(0, "{\"alg\":\"none\",\"kid\":\"a\"}", CLAIMS(ISSUER)), "InvalidTokenException",
            "not accepted");
    refused(tokens_sign(0, "{\"alg\":\"HS256\",\"kid\":\"a\"}", CLAIMS(ISSUER)), "InvalidTokenException",
            "not accepted");
    refused(tokens_sign(0, "{\"alg\":\"RS256\",\"kid\":\"a\"}", CLAIMS(ISSUER)), "InvalidTokenException",
            "not accepted");
    refused(tokens_sign(0, "{\"alg\":\"ES256\",\"kid\":\"a\",\"kid\":\"a\"}", CLAIMS(ISSUER)),
            "InvalidTokenException", "not a signed JSON web token");
    refused(tokens_sign(0, HEADER("a"), CLAIMS("https://else.example")), "InvalidTokenException",
            "another cluster");
    strcpy(token, tokens_sign(0, HEADER("a"), CLAIMS(ISSUER)));
    *strrchr(token, '.') = '\0';
    strcat(token, ".");
    refused(token, "InvalidTokenException", "");
    /* The claims of one under the signature of another. */
    strcpy(token, tokens_sign(0, HEADER("a"), CLAIMS(ISSUER)));
    const char *other = tokens_sign(0, HEADER("a"), "{\"iss\":\"" ISSUER "\"}");
    strcpy(strrchr(token, '.'), strrchr(other, '.'));
    refused(token, "InvalidTokenException", "a signature that is not the cluster's");
}

static void claims_are_judged(void **state) {
    (void)state;
    char claims[1024];
    strcpy(claims, CLAIMS(ISSUER));
    memcpy(strstr(claims, "1795610196"), "1795610096", 10);
    refused(tokens_sign(0, HEADER("a"), claims), "ExpiredTokenException", "expired 0 seconds ago");
    strcpy(claims, CLAIMS(ISSUER));
    memcpy(strstr(claims, "node-1"), "node-2", 6);
    refused(tokens_sign(0, HEADER("a"), claims), "InvalidTokenException", "another node: node-2");
}

/* A key that is new, and one that is gone. */
static void keys_that_change(void **state) {
    (void)state;
    char old[8192];
    strcpy(old, tokens_sign(0, HEADER("a"), CLAIMS(ISSUER)));
    write_keys(tokens_jwk(1, "b"));
    /* Too soon after the last reading: nothing is read again for it. */
    pass(KEYS_PROMPTED_MS - 1);
    refused(tokens_sign(1, HEADER("b"), CLAIMS(ISSUER)), "InvalidTokenException",
            "a key that the cluster does not have");
    assert_int_equal(judge(old), TOKEN_TRUSTED);
    pass(1);
    /* Of another issuer: it prompts nothing. */
    refused(tokens_sign(1, HEADER("b"), CLAIMS("https://else.example")), "InvalidTokenException",
            "another cluster");
    assert_int_equal(judge(old), TOKEN_TRUSTED);
    assert_int_equal(judge(tokens_sign(1, HEADER("b"), CLAIMS(ISSUER))), TOKEN_TRUSTED);
    refused(old, "InvalidTokenException", "a key that the cluster does not have");
}

/* Nothing good is lost. */
static void bad_key_sets(void **state) {
    (void)state;
    static char huge[20000];
    memset(huge, ' ', sizeof huge - 1);
    memcpy(huge, "{\"keys\":[]}", 11);
    const struct {
        const char *text, *words;
    } table[] = {
        {"", "is not a key set that can be used (0 bytes): the JSON: empty"},
        {"<html>", "the JSON: "},
        {"{}", "the list \"keys\""},
        {"{\"keys\":[]}", "a key for RS256"},
        {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}", "1 of its keys are for something else"},
        {"{\"keys\":[1]}", "an element of \"keys\""},
        {huge, "more than 16384 bytes"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        write_file(path, table[i].text, strlen(table[i].text));
        pass(KEYS_RELOAD_MS);
        rounds(1);
        if (strstr(keys_failure()->message, table[i].words) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", keys_failure()->message, table[i].words);
        assert_int_equal(judge(tokens_sign(1, HEADER("b"), CLAIMS(ISSUER))), TOKEN_TRUSTED);
    }
    assert_int_equal(unlink(path), 0);
    pass(KEYS_RELOAD_MS);
    rounds(1);
    assert_int_equal(judge(tokens_sign(1, HEADER("b"), CLAIMS(ISSUER))), TOKEN_TRUSTED);
    write_keys(tokens_jwk(0, "a"));
    pass(60000);
    rounds(1);
    assert_int_equal(judge(tokens_sign(0, HEADER("a"), CLAIMS(ISSUER))), TOKEN_TRUSTED);
}

/* ---- the API server ---- */

static const char *variables(const char *name) {
    return strcmp(name, "KUBERNETES_SERVICE_HOST") == 0   ? "fd00::1"
           : strcmp(name, "KUBERNETES_SERVICE_PORT") == 0 ? "6443"
                                                          : NULL;
}

static struct api_server server;

static void from_the_api_server(void **state) {
    (void)state;
    struct failure f;
    char wanted[1024], jwks[1024];
    write_file(scratch_path("token"), "agents-own\n", 11);
    assert_int_equal(api_server_open(&server, NULL, scratch_folder(), variables, &f), REASON_OK);
    settings.file = NULL;
    settings.server = &server;
    /* One set for the process: what a second opening would add is its timer, which is there. */
    keys_open(&settings);
    snprintf(wanted, sizeof wanted,
             "GET https://kubernetes.default.svc:6443/openid/v1/jwks at +kubernetes.default.svc:6443:"
             "[fd00::1] by %s/ca.crt",
             scratch_folder());
    assert_string_equal(asked, wanted);
    assert_string_equal(bearer, "Bearer agents-own");
    assert_int_equal(requests, 1);
    assert_int_equal(judge(tokens_sign(0, HEADER("a"), CLAIMS(ISSUER))), TOKEN_WAITS);
    told = 0;
    answer(403, "{\"kind\":\"Status\",\"message\":\"jwks is forbidden: User \\\"x\\\" cannot\"}");
    assert_int_equal(told, 1);
    assert_int_equal(judge(tokens_sign(0, HEADER("a"), CLAIMS(ISSUER))), TOKEN_UNJUDGED);
    assert_non_null(strstr(keys_failure()->message,
                           "svc:6443/openid/v1/jwks at [fd00::1], asked to read the cluster's "
                           "keys, answered 403: \"jwks is forbidden"));
    snprintf(jwks, sizeof jwks, "{\"keys\":[%s]}", tokens_jwk(0, "a"));
    pass(KEYS_RETRY_MS);
    rounds(1);
    assert_int_equal(requests, 2);
    answer(200, jwks);
    assert_int_equal(judge(tokens_sign(0, HEADER("a"), CLAIMS(ISSUER))), TOKEN_TRUSTED);
}

/* An unknown key prompts one request, for which its token waits; and no second one soon. */
static void an_unknown_key_prompts_one_request(void **state) {
    (void)state;
    char jwks[1024];
    refused(tokens_sign(1, HEADER("b"), CLAIMS(ISSUER)), "InvalidTokenException", "a key that the cluster");
    pass(KEYS_PROMPTED_MS);
    assert_int_equal(requests, 2);
    for (int i = 0; i < 5; i++)
        assert_int_equal(judge(tokens_sign(1, HEADER("b"), CLAIMS(ISSUER))), TOKEN_WAITS);
    assert_int_equal(requests, 3);
    assert_int_equal(judge(tokens_sign(0, HEADER("a"), CLAIMS(ISSUER))), TOKEN_TRUSTED);
    answer(0, "");
    refused(tokens_sign(1, HEADER("b"), CLAIMS(ISSUER)), "InvalidTokenException", "a key that the cluster");
    assert_int_equal(requests, 3);
    assert_int_equal(judge(tokens_sign(0, HEADER("a"), CLAIMS(ISSUER))), TOKEN_TRUSTED);
    pass(KEYS_PROMPTED_MS);
    assert_int_equal(judge(tokens_sign(1, HEADER("b"), CLAIMS(ISSUER))), TOKEN_WAITS);
    snprintf(jwks, sizeof jwks, "{\"keys\":[%s]}", tokens_jwk(1, "b"));
    answer(200, jwks);
    assert_int_equal(judge(tokens_sign(1, HEADER("b"), CLAIMS(ISSUER))), TOKEN_TRUSTED);
    refused(tokens_sign(0, HEADER("a"), CLAIMS(ISSUER)), "InvalidTokenException", "a key that the cluster");
}

static void each_hour(void **state) {
    (void)state;
    unsigned before = requests;
    pass(KEYS_RELOAD_MS - 1);
    rounds(1);
    assert_int_equal(requests, before);
    pass(1);
    rounds(1);
    assert_int_equal(requests, before + 1);
    answer(200, "not keys");
    assert_int_equal(judge(tokens_sign(1, HEADER("b"), CLAIMS(ISSUER))), TOKEN_TRUSTED);
}

/* ---- where the API server is ---- */

static const char *host_value, *port_value;

static const char *given(const char *name) {
    return strcmp(name, "KUBERNETES_SERVICE_HOST") == 0   ? host_value
           : strcmp(name, "KUBERNETES_SERVICE_PORT") == 0 ? port_value
                                                          : NULL;
}

static void addresses(void **state) {
    (void)state;
    static const struct {
        const char *host, *port, *override, *url, *resolved, *problem;
    } table[] = {
        {"10.96.0.1", "443", NULL, "https://kubernetes.default.svc:443",
         "+kubernetes.default.svc:443:10.96.0.1", NULL},
        {"10.96.0.1", NULL, NULL, "https://kubernetes.default.svc:443",
         "+kubernetes.default.svc:443:10.96.0.1", NULL},
        {"fd00::1", "6443", NULL, "https://kubernetes.default.svc:6443",
         "+kubernetes.default.svc:6443:[fd00::1]", NULL},
        {"api.example", "443", NULL, "https://api.example", "", NULL},
        {NULL, NULL, "https://api.example:6443", "https://api.example:6443", "", NULL},
        {"10.96.0.1", "443", "https://10.0.0.1:6443/", "https://10.0.0.1:6443", "", NULL},
        {NULL, NULL, NULL, NULL, NULL, "KUBERNETES_SERVICE_HOST is not set"},
        {"", "443", NULL, NULL, NULL, "KUBERNETES_SERVICE_HOST is not set"},
        {"10.96.0.1", "tcp://x", NULL, NULL, NULL, "is not the address of a service"},
        {"10.96.0.1/x", "443", NULL, NULL, NULL, "is not the address of a service"},
        {NULL, NULL, "http://api.example", NULL, NULL, "is not https://HOST"},
        {NULL, NULL, "https://api.example/path", NULL, NULL, "is not https://HOST"},
        {NULL, NULL, "api.example", NULL, NULL, "is not a URL"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct api_server s;
        struct failure f;
        host_value = table[i].host;
        port_value = table[i].port;
        enum reason reason = api_server_open(&s, table[i].override, NULL, given, &f);
        assert_int_equal(reason, table[i].problem == NULL ? REASON_OK : REASON_SETTING_INVALID);
        if (reason != REASON_OK) {
            if (strstr(f.message, table[i].problem) == NULL)
                fail_msg("%s", f.message);
            continue;
        }
        assert_string_equal(s.url, table[i].url);
        assert_string_equal(s.resolved, table[i].resolved);
        assert_string_equal(s.ca_file, API_SERVER_FOLDER "/ca.crt");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_file),      cmocka_unit_test(whole_tokens),
        cmocka_unit_test(forgeries),           cmocka_unit_test(claims_are_judged),
        cmocka_unit_test(keys_that_change),    cmocka_unit_test(bad_key_sets),
        cmocka_unit_test(from_the_api_server), cmocka_unit_test(an_unknown_key_prompts_one_request),
        cmocka_unit_test(each_hour),           cmocka_unit_test(addresses),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
