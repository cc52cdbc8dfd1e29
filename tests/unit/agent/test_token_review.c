/* What is made of the API server's review of a token. */
#include "tests/unit/unit.h"

#include "agent/token_review.h"

static struct api_server server = {.url = "https://api.example"};

static void answers(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *body, *words;
        enum reason reason;
    } table[] = {
        {201, "{\"status\":{\"authenticated\":true}}", "", REASON_OK},
        {200, "{\"spec\":{},\"status\":{\"user\":{},\"authenticated\": true }}", "", REASON_OK},
        {201, "{\"status\":{\"error\":\"pod is gone\"}}", "does not take the token: \"pod is gone\"",
         REASON_TOKEN_INVALID},
        {201, "{\"status\":{\"error\":\"a\\nb\"}}", "does not take the token: \"a?b\"", REASON_TOKEN_INVALID},
        {201, "{\"status\":{\"authenticated\":false}}", "does not take the token", REASON_TOKEN_INVALID},
        {201, "{\"status\":{\"authenticated\":\"true\"}}", "does not take the token", REASON_TOKEN_INVALID},
        {201, "{\"status\":{}}", "does not take the token", REASON_TOKEN_INVALID},
        {201, "{\"status\":7}", "no TokenReview", REASON_BAD_RESPONSE},
        {201, "{}", "no TokenReview", REASON_BAD_RESPONSE},
        {201, "", "no TokenReview", REASON_BAD_RESPONSE},
        {200, "<html>", "no TokenReview", REASON_BAD_RESPONSE},
        {403, "{\"message\":\"tokenreviews is forbidden\"}", "answered 403: \"tokenreviews is forbidden",
         REASON_ACCESS_DENIED},
        {500, "", "answered 500", REASON_THROTTLED},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct failure f = {.message = ""};
        const struct http_response r = {.result = HTTP_ANSWERED,
                                        .status = table[i].status,
                                        .body = table[i].body,
                                        .body_len = strlen(table[i].body)};
        enum reason reason = token_review_answer(&server, &r, &f);
        if (reason != table[i].reason || strstr(f.message, table[i].words) == NULL)
            fail_msg("%s: %d, %s", table[i].body, (int)reason, f.message);
    }
}

/* The token that was sent may come back in the error. */
static void errors_that_say_too_much(void **state) {
    (void)state;
    static const char echo[] =
        "{\"status\":{\"error\":\"cannot parse eyJhbGciOiJSUzI1NiIsImtpZCI6IjAxMjM0NTY3ODkifQ."
        "eyJpc3MiOiJodHRwczovL2V4YW1wbGUuY29tIn0."
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v\"}}";
    static char large[4096];
    struct buf b = BUF(large);
    buf_str(&b, "{\"status\":{\"error\":\"");
    while (b.len < 3000)
        buf_str(&b, "no, ");
    buf_str(&b, "\"}}");
    const struct http_response echoed = {.result = HTTP_ANSWERED,
                                         .status = 201,
                                         .body = echo,
                                         .body_len = sizeof echo - 1},
                               long_one = {
                                   .result = HTTP_ANSWERED, .status = 201, .body = large, .body_len = b.len};
    struct failure f;
    assert_int_equal(token_review_answer(&server, &echoed, &f), REASON_TOKEN_INVALID);
    assert_non_null(strstr(f.message, "does not take the token: \"cannot parse "));
    assert_null(strstr(f.message, "eyJpc3MiOiJodHRwczovL2V4YW1wbGUuY29tIn0"));
    assert_null(strstr(f.message, "AAECAwQFBgcICQ"));
    assert_int_equal(token_review_answer(&server, &long_one, &f), REASON_TOKEN_INVALID);
    assert_non_null(strstr(f.message, "with an error of more than 2047 bytes"));
}

/* Whom TCP reached no firewall keeps away; and no NetworkPolicy counts in the node's network, where the agent
 * is. */
static void no_answer(void **state) {
    (void)state;
    static const struct {
        enum http_result result;
        const char *remedy;
    } table[] = {
        {HTTP_REFUSED, "let the node reach the API server"},
        {HTTP_CONNECT_TIMEOUT, "the node's firewall"},
        {HTTP_NO_ROUTE, "kube-proxy"},
        {HTTP_PROHIBITED, "the node's firewall"},
        {HTTP_NO_FAMILY, "KUBERNETES_SERVICE_HOST"},
        {HTTP_NO_ANSWER, "look at what answers at the API server's address"},
        {HTTP_ANSWER_TIMEOUT, "look at what answers"},
        {HTTP_CUT_SHORT, "look at what answers"},
        {HTTP_NOT_HTTP, "look at what answers"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        const struct http_response none = {.result = table[i].result, .body = ""};
        struct failure f;
        assert_int_equal(token_review_answer(&server, &none, &f), REASON_AWS_UNREACHABLE);
        if (strstr(f.remedy, table[i].remedy) == NULL || strstr(f.remedy, "NetworkPolic") != NULL)
            fail_msg("%d: %s", (int)table[i].result, f.remedy);
    }
}

static void a_token_that_is_too_long(void **state) {
    (void)state;
    static struct token token;
    struct http_request request;
    struct failure f;
    char body[200];
    memset(token.text, 'a', 150);
    token.len = 150;
    assert_int_equal(token_review_request(&server, "a", &token, body, sizeof body, &request, &f),
                     REASON_TOKEN_INVALID);
    assert_non_null(strstr(f.message, "has 150 characters"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers), cmocka_unit_test(errors_that_say_too_much),
                                       cmocka_unit_test(no_answer),
                                       cmocka_unit_test(a_token_that_is_too_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
