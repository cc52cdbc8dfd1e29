/* Each answer of the agent, as its source has them, to its reason. */
#include "tests/unit/unit.h"

#include "common/pod/agent_client.h"

#define NOW_MS INT64_C(1795435200000) /* 2026-11-23T12:00:00Z */
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY1"
#define ANSWER(expiration)                                                                                   \
    "{\"AccessKeyId\":\"ASIAEXAMPLEKEYID1234\",\"SecretAccessKey\":\"" SECRET                                \
    "\",\"Token\":\"IQoJb3JpZ2luX2VjEHAaCXVzLWVhc3QtMSJHMEUCIQDx9\",\"AccountId\":\"012345678901\","         \
    "\"Expiration\":\"" expiration "\"}"
#define EKS_AUTH(code)                                                                                       \
    "[8d3f0f3e-0b0a-4c5e-9d4e-5f6a7b8c9d0e]: (" code "): words of the service, fault: client\n"

static struct uri uri;
static struct credentials credentials;
static struct failure failure;

static int parse_uri(void **state) {
    (void)state;
    return uri_parse("http://169.254.170.23/v1/credentials", &uri) == ERR_OK ? 0 : 1;
}

static enum reason judge(const struct http_response *response) {
    static const struct credentials zero;
    static const struct moment now = {.mono_ms = 1000, .wall_ms = NOW_MS};
    memset(&failure, 0, sizeof failure);
    enum reason reason = agent_client_result(&uri, response, now, &credentials, &failure);
    if (reason != REASON_OK) {
        assert_int_equal(failure.reason, reason);
        assert_false(failure.permanent);
        assert_true(failure.remedy[0] != '\0');
        assert_non_null(strstr(failure.message, "http://169.254.170.23/v1/credentials"));
        assert_null(strpbrk(failure.message, "\r\n"));
        assert_null(strstr(failure.message, SECRET));
        assert_null(strstr(failure.message, "IQoJb3JpZ2luX2VjEHAaCXVzLWVhc3QtMSJHMEUCIQDx9"));
        assert_memory_equal(&credentials, &zero, sizeof zero);
    }
    return reason;
}

static enum reason judge_answer(int status, const char *body) {
    struct http_response r = {.result = HTTP_ANSWERED, .status = status, .elapsed_ms = 3};
    r.body_len = strlen(body);
    r.body = guarded(body, r.body_len + 1);
    return judge(&r);
}

static const struct {
    int status;
    const char *body;
    enum reason reason;
    const char *says;
} answers[] = {
    /* the agent's own, in the order of its checks */
    {429, "Too Many Requests\n", REASON_THROTTLED, "429"},
    {403,
     "Access Denied. Called agent through invalid address, please use either [169.254.170.23 fd00:ec2::23] "
     "address not "
     "10.0.0.1\n",
     REASON_INJECTION_INVALID, "invalid address"},
    {400, "Service account token cannot be empty\n", REASON_TOKEN_INVALID, "cannot be empty"},
    {400, "Service account token cannot be parsed: token is malformed\n", REASON_TOKEN_INVALID, "malformed"},
    {400, "Service account token failed basic claim validations: token is expired\n", REASON_TOKEN_INVALID,
     "expired"},
    {400, "Service account token failed basic claim validations: token is not valid yet\n",
     REASON_TOKEN_INVALID, "not valid yet"},
    /* EKS Auth's, passed on */
    {400, EKS_AUTH("AccessDeniedException"), REASON_ACCESS_DENIED, "AccessDeniedException"},
    {404, EKS_AUTH("ResourceNotFoundException"), REASON_ACCESS_DENIED, "ResourceNotFoundException"},
    {400, EKS_AUTH("InvalidTokenException"), REASON_TOKEN_INVALID, "InvalidTokenException"},
    {400, EKS_AUTH("ExpiredTokenException"), REASON_TOKEN_INVALID, "ExpiredTokenException"},
    {400, EKS_AUTH("InvalidParameterException"), REASON_TOKEN_INVALID, "InvalidParameterException"},
    {400, EKS_AUTH("InvalidRequestException"), REASON_TOKEN_INVALID, "InvalidRequestException"},
    {429, EKS_AUTH("ThrottlingException"), REASON_THROTTLED, "ThrottlingException"},
    {500, EKS_AUTH("InternalServerException"), REASON_THROTTLED, "InternalServerException"},
    {503, EKS_AUTH("ServiceUnavailableException"), REASON_THROTTLED, "ServiceUnavailableException"},
    {403, EKS_AUTH("ExpiredTokenException"), REASON_ACCESS_DENIED, "ExpiredTokenException"},
    {403, EKS_AUTH("InvalidSignatureException"), REASON_ACCESS_DENIED, "InvalidSignatureException"},
    {403, EKS_AUTH("UnrecognizedClientException"), REASON_ACCESS_DENIED, "UnrecognizedClientException"},
    {500, "[]\n", REASON_THROTTLED, "[]"},
    {500, "unable to reach EKS Auth: dial tcp: i/o timeout\n", REASON_THROTTLED, "i/o timeout"},
    /* others that may answer there */
    {404, "404 page not found\n", REASON_BAD_RESPONSE, "404"},
    {401, "", REASON_ACCESS_DENIED, "401"},
    {403, "", REASON_ACCESS_DENIED, "403"},
    {408, "", REASON_THROTTLED, "408"},
    {400, "", REASON_BAD_RESPONSE, "400"},
    {400, "<html>", REASON_BAD_RESPONSE, "a page of HTML"},
    {502, "<html>bad gateway</html>", REASON_THROTTLED, "502"},
    {301, "", REASON_BAD_RESPONSE, "301"},
    {307, ANSWER("2026-11-23T18:00:00Z"), REASON_BAD_RESPONSE, "307"},
    {204, "", REASON_BAD_RESPONSE, "204"},
    {201, ANSWER("2026-11-23T18:00:00Z"), REASON_BAD_RESPONSE, "201"},
    {100, "", REASON_BAD_RESPONSE, "100"},
    {999, "", REASON_BAD_RESPONSE, "999"},
    /* 200 and no credentials */
    {200, "", REASON_BAD_RESPONSE, "empty"},
    {200, "ok", REASON_BAD_RESPONSE, "200"},
    {200, "{}", REASON_BAD_RESPONSE, "AccessKeyId"},
    {200, "{\"AccessKeyId\":\"" SECRET "\"}", REASON_BAD_RESPONSE, "SecretAccessKey"},
    {200, "{\"SecretAccessKey\":\"" SECRET "\"", REASON_BAD_RESPONSE, "JSON"},
    {200, ANSWER("2026-11-23T12:00:00Z"), REASON_BAD_RESPONSE, "expired at 2026-11-23T12:00:00Z"},
    {200, ANSWER("1970-01-01T00:00:00Z"), REASON_BAD_RESPONSE, "expired"},
    {200, ANSWER("soon"), REASON_BAD_RESPONSE, "Expiration"},
};

static void every_answer_to_its_reason(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        enum reason reason = judge_answer(answers[i].status, answers[i].body);
        if (reason != answers[i].reason)
            fail_msg("%d %s gave %d: %s", answers[i].status, answers[i].body, (int)reason, failure.message);
        if (strstr(failure.message, answers[i].says) == NULL)
            fail_msg("\"%s\" is not in: %s", answers[i].says, failure.message);
    }
}

static void credentials_are_taken(void **state) {
    (void)state;
    assert_int_equal(judge_answer(200, ANSWER("2026-11-23T18:00:00Z")), REASON_OK);
    assert_string_equal(credentials.secret_access_key, SECRET);
    assert_string_equal(credentials.account_id, "012345678901");
    assert_int_equal(credentials.expires_ms, NOW_MS + 6 * 3600 * 1000);
    assert_int_equal(judge_answer(200, ANSWER("2026-11-23T12:00:01Z")), REASON_OK); /* short, but not over */
}

static void every_way_of_no_answer_to_its_reason(void **state) {
    (void)state;
    static const struct {
        enum http_result result;
        enum reason reason;
    } table[] = {
        {HTTP_REFUSED, REASON_AGENT_UNREACHABLE},
        {HTTP_CONNECT_TIMEOUT, REASON_AGENT_UNREACHABLE},
        {HTTP_ANSWER_TIMEOUT, REASON_AGENT_UNREACHABLE},
        {HTTP_NO_ROUTE, REASON_AGENT_UNREACHABLE},
        {HTTP_NO_FAMILY, REASON_AGENT_UNREACHABLE},
        {HTTP_NO_NAME, REASON_AGENT_UNREACHABLE},
        {HTTP_NO_ANSWER, REASON_AGENT_UNREACHABLE},
        {HTTP_TLS, REASON_AGENT_UNREACHABLE},
        {HTTP_FAILED, REASON_AGENT_UNREACHABLE},
        {HTTP_CUT_SHORT, REASON_BAD_RESPONSE},
        {HTTP_NOT_HTTP, REASON_BAD_RESPONSE},
        {HTTP_TOO_LARGE, REASON_BAD_RESPONSE},
    };
    char messages[COUNT(table)][FAILURE_MESSAGE_MAX];
    for (size_t i = 0; i < COUNT(table); i++) {
        struct http_response r = {.result = table[i].result, .body = "", .elapsed_ms = 2000};
        strcpy(r.detail, "words of the system");
        assert_int_equal(judge(&r), table[i].reason);
        assert_non_null(strstr(failure.message, "words of the system"));
        strcpy(messages[i], failure.message);
    }
    /* Refused and timed out are told apart, and all others too; a numeric address has no name to resolve. */
    for (size_t i = 0; i < COUNT(table); i++) {
        for (size_t k = 0; k < i; k++) {
            if (table[i].result != HTTP_NO_NAME)
                assert_string_not_equal(messages[i], messages[k]);
        }
    }
}

static void retry_after_is_handed_on(void **state) {
    (void)state;
    struct http_response r = {.result = HTTP_ANSWERED, .status = 429, .body = "", .retry_after_ms = 7000};
    assert_int_equal(judge(&r), REASON_THROTTLED);
    assert_int_equal(failure.retry_after_ms, 7000);
}

static void an_error_that_echoes_the_token_is_redacted(void **state) {
    (void)state;
    assert_int_equal(
        judge_answer(400,
                     "Service account token cannot be parsed: eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"),
        REASON_TOKEN_INVALID);
    assert_null(strstr(failure.message, "eyJ"));
    assert_non_null(strstr(failure.message, "[redacted]"));
}

static void a_huge_or_binary_body_stays_one_short_line(void **state) {
    (void)state;
    static char body[HTTP_BODY_MAX];
    struct http_response r = {.result = HTTP_ANSWERED, .status = 500, .body = body, .body_len = sizeof body};
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)(i * 31);
    assert_int_equal(judge(&r), REASON_THROTTLED);
    assert_true(strlen(failure.message) < FAILURE_MESSAGE_MAX - 1);
    for (const char *p = failure.message; *p != '\0'; p++)
        assert_true(*p >= ' ' && *p < 0x7F);
    /* A NUL does not hide what is behind it. */
    memcpy(body, "x\0(AccessDeniedException)", 25);
    r.status = 400;
    assert_int_equal(judge(&r), REASON_ACCESS_DENIED);
}

static void the_request_is_what_the_agent_wants(void **state) {
    (void)state;
    static struct token token = {.text = "a.b.c", .len = 5};
    struct http_header headers[2];
    struct http_request request;
    agent_client_request(&uri, &token, headers, &request);
    assert_string_equal(request.method, "GET");
    assert_string_equal(request.url, "http://169.254.170.23/v1/credentials");
    assert_int_equal(request.header_count, 2);
    assert_string_equal(request.headers[0].name, "Authorization");
    assert_string_equal(request.headers[0].value, "a.b.c"); /* raw: no scheme word */
    assert_true(request.local);
    assert_null(request.body);
    assert_true(request.connect_timeout_ms > 0 && request.connect_timeout_ms < request.total_timeout_ms);
    assert_true(request.total_timeout_ms >= 5000); /* a cold agent takes over 3 s */
    struct uri remote;
    assert_int_equal(uri_parse("https://example.com/", &remote), ERR_OK);
    agent_client_request(&remote, &token, headers, &request);
    assert_false(request.local);
}

static void the_probe(void **state) {
    (void)state;
    static struct agent_client_probe storage;
    struct http_request request;
    char text[128];
    struct buf out = BUF(text);
    agent_client_probe_request(&uri, &storage, &request);
    assert_string_equal(request.url, "http://169.254.170.23/");
    assert_int_equal(request.header_count, 0); /* no token */
    assert_true(request.local);
    struct http_response r = {.result = HTTP_ANSWERED, .status = 404, .body = ""};
    assert_true(agent_client_probe_result(&r, &out));
    assert_string_equal(text, "answered 404");
    r.status = 200;
    assert_false(agent_client_probe_result(&r, &out));
    r = (struct http_response){.result = HTTP_REFUSED};
    out = BUF(text);
    assert_false(agent_client_probe_result(&r, &out));
    assert_string_equal(text, "was refused");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_to_its_reason),
        cmocka_unit_test(the_probe),
        cmocka_unit_test(credentials_are_taken),
        cmocka_unit_test(every_way_of_no_answer_to_its_reason),
        cmocka_unit_test(retry_after_is_handed_on),
        cmocka_unit_test(an_error_that_echoes_the_token_is_redacted),
        cmocka_unit_test(a_huge_or_binary_body_stays_one_short_line),
        cmocka_unit_test(the_request_is_what_the_agent_wants),
    };
    return cmocka_run_group_tests(tests, parse_uri, NULL);
}
