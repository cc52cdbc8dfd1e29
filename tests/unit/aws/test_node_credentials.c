/* The node's own credentials: where the metadata service is looked for, its three requests, and what its
 * answers are taken for. */
#include "tests/unit/unit.h"

#include "common/aws/node_credentials.h"

static const char *endpoint, *mode, *key_id, *secret, *session;
static const struct moment now = {.wall_ms = INT64_C(1795610096000)}; /* 2026-11-25T12:34:56Z */
static struct node_fetch fetch;
static struct credentials credentials;
static struct failure failure;

static const char *lookup(const char *name) {
    const struct {
        const char *name, *value;
    } variables[] = {
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", mode},
        {"AWS_ACCESS_KEY_ID", key_id},
        {"AWS_SECRET_ACCESS_KEY", secret},
        {"AWS_SESSION_TOKEN", session},
    };
    for (size_t i = 0; i < COUNT(variables); i++) {
        if (strcmp(name, variables[i].name) == 0)
            return variables[i].value;
    }
    return NULL;
}

static enum reason open_with(const char *given_endpoint, const char *given_mode) {
    endpoint = given_endpoint;
    mode = given_mode;
    memset(&fetch, 0, sizeof fetch);
    return node_fetch_open(&fetch, lookup, &failure);
}

static void where_it_is(void **state) {
    (void)state;
    const struct {
        const char *endpoint, *mode, *url;
    } good[] = {
        {NULL, NULL, "http://169.254.169.254/latest/api/token"},
        {"", "IPv4", "http://169.254.169.254/latest/api/token"},
        {NULL, "ipv6", "http://[fd00:ec2::254]/latest/api/token"},
        {"http://127.0.0.1:1338", "IPv6", "http://127.0.0.1:1338/latest/api/token"},
        {"http://10.0.0.1/", NULL, "http://10.0.0.1/latest/api/token"},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        struct http_request r;
        assert_int_equal(open_with(good[i].endpoint, good[i].mode), REASON_OK);
        node_fetch_request(&fetch, &r);
        assert_string_equal(r.url, good[i].url);
    }
    static const char *const bad[] = {"https://169.254.169.254", "http://metadata.example",
                                      "http://10.0.0.1/latest", "x"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(open_with(bad[i], NULL), REASON_SETTING_INVALID);
        assert_true(failure.permanent);
        assert_non_null(strstr(failure.message, "AWS_EC2_METADATA_SERVICE_ENDPOINT="));
    }
}

static enum reason answer(int status, const char *body, bool *more) {
    struct http_response r = {.result = HTTP_ANSWERED, .status = status, .body_len = strlen(body)};
    r.body = guarded(body, r.body_len + 1);
    return node_fetch_result(&fetch, &r, now, &credentials, more, &failure);
}

#define KEYS(end)                                                                                            \
    "{\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"" end "\"}"

static void three_requests(void **state) {
    (void)state;
    struct http_request r;
    bool more;
    assert_int_equal(open_with(NULL, NULL), REASON_OK);
    node_fetch_request(&fetch, &r);
    assert_string_equal(r.method, "PUT");
    assert_true(r.local && r.header_count == 1 && r.connect_timeout_ms == NODE_CREDENTIALS_TIMEOUT_MS);
    assert_string_equal(r.headers[0].name, "X-aws-ec2-metadata-token-ttl-seconds");
    assert_string_equal(r.headers[0].value, "60");
    assert_int_equal(answer(200, "AQAE-session==\r\nrest", &more), REASON_OK);
    assert_true(more);
    node_fetch_request(&fetch, &r);
    assert_string_equal(r.method, "GET");
    assert_string_equal(r.url, "http://169.254.169.254/latest/meta-data/iam/security-credentials/");
    assert_string_equal(r.headers[0].name, "X-aws-ec2-metadata-token");
    assert_string_equal(r.headers[0].value, "AQAE-session==");
    assert_int_equal(answer(200, "node-role", &more), REASON_OK);
    assert_true(more);
    node_fetch_request(&fetch, &r);
    assert_string_equal(r.url, "http://169.254.169.254/latest/meta-data/iam/security-credentials/node-role");
    assert_int_equal(answer(200, KEYS("2026-11-25T12:34:57Z"), &more), REASON_OK);
    assert_false(more);
    assert_string_equal(credentials.access_key_id, "ASIA1");
    assert_int_equal(answer(200, KEYS("2026-11-25T12:34:56Z"), &more), REASON_BAD_RESPONSE);
    assert_string_equal(credentials.secret_access_key, "");
    assert_non_null(strstr(failure.message, "expired"));
    node_fetch_restart(&fetch);
    node_fetch_request(&fetch, &r);
    assert_string_equal(r.method, "PUT");
    assert_int_equal(fetch.session[0], 0);
}

static void answers_that_do_not_help(void **state) {
    (void)state;
    const struct {
        int step, status;
        const char *body, *says, *remedy;
        enum reason reason;
    } rows[] = {
        {0, 403, "", "PUT http://169.254.169.254/latest/api/token answered 403", "hop limit",
         REASON_ACCESS_DENIED},
        {0, 500, "", "answered 500", "hop limit", REASON_THROTTLED},
        {0, 429, "", "answered 429", "hop limit", REASON_THROTTLED},
        {1, 404, "", "GET http://169.254.169.254/latest/meta-data/iam/security-credentials/ answered 404",
         "instance profile", REASON_ACCESS_DENIED},
        {0, 200, "", "a session token that cannot be used: empty", "kube2iam", REASON_BAD_RESPONSE},
        {0, 200, "\n", "a session token that cannot be used: empty", "kube2iam", REASON_BAD_RESPONSE},
        {0, 200, "a b", "a session token", "kube2iam", REASON_BAD_RESPONSE},
        {1, 200, "a\"b", "a role's name", "kube2iam", REASON_BAD_RESPONSE},
        {1, 200, "<html>", "a role's name", "kube2iam", REASON_BAD_RESPONSE},
        {2, 200, "{}", "AccessKeyId", "kube2iam", REASON_BAD_RESPONSE},
        {2, 200, "<html>", "answered 200", "kube2iam", REASON_BAD_RESPONSE},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        static const char *const so_far[] = {"session", "role"};
        struct http_request r;
        bool more;
        assert_int_equal(open_with(NULL, NULL), REASON_OK);
        for (int k = 0; k < rows[i].step; k++)
            assert_int_equal(answer(200, so_far[k], &more), REASON_OK);
        node_fetch_request(&fetch, &r);
        enum reason reason = answer(rows[i].status, rows[i].body, &more);
        if (reason != rows[i].reason || more || strstr(failure.message, rows[i].says) == NULL ||
            strstr(failure.remedy, rows[i].remedy) == NULL)
            fail_msg("%zu: %d %s | %s", i, (int)reason, failure.message, failure.remedy);
    }
    /* It is given the time that it asks for. */
    static const struct http_response later = {
        .result = HTTP_ANSWERED, .status = 503, .body = "", .retry_after_ms = 7000};
    bool any;
    assert_int_equal(open_with(NULL, NULL), REASON_OK);
    assert_int_equal(node_fetch_result(&fetch, &later, now, &credentials, &any, &failure), REASON_THROTTLED);
    assert_int_equal(failure.retry_after_ms, 7000);
    struct http_response silent = {.result = HTTP_CONNECT_TIMEOUT, .body = "", .elapsed_ms = 2000};
    bool more;
    assert_int_equal(node_fetch_result(&fetch, &silent, now, &credentials, &more, &failure),
                     REASON_AWS_UNREACHABLE);
    assert_non_null(strstr(failure.message, "after 2000 ms"));
    assert_non_null(strstr(failure.remedy, "hop limit"));
}

/* A session token and a role's name as long as fits, and one more. */
static void the_longest_words(void **state) {
    (void)state;
    char word[NODE_CREDENTIALS_TOKEN_MAX + 1];
    bool more;
    for (size_t len = NODE_CREDENTIALS_TOKEN_MAX - 1; len <= NODE_CREDENTIALS_TOKEN_MAX; len++) {
        assert_int_equal(open_with(NULL, NULL), REASON_OK);
        memset(word, 'w', len);
        word[len] = '\0';
        assert_int_equal(answer(200, word, &more),
                         len < NODE_CREDENTIALS_TOKEN_MAX ? REASON_OK : REASON_BAD_RESPONSE);
    }
    for (size_t len = NODE_CREDENTIALS_ROLE_MAX - 1; len <= NODE_CREDENTIALS_ROLE_MAX; len++) {
        assert_int_equal(open_with(NULL, NULL), REASON_OK);
        assert_int_equal(answer(200, "session", &more), REASON_OK);
        word[len] = '\0';
        memset(word, 'r', len);
        assert_int_equal(answer(200, word, &more),
                         len < NODE_CREDENTIALS_ROLE_MAX ? REASON_OK : REASON_BAD_RESPONSE);
    }
}

static enum reason from_environment(const char *id, const char *key, const char *token) {
    key_id = id;
    secret = key;
    session = token;
    return node_environment(lookup, &credentials, &failure);
}

static void the_environment(void **state) {
    (void)state;
    char long_id[CREDENTIALS_KEY_ID_MAX + 1];
    assert_int_equal(from_environment("AKIA1", "secret", NULL), REASON_OK);
    assert_string_equal(credentials.session_token, "");
    assert_true(credentials.expires_ms == CLOCK_NEVER);
    assert_int_equal(from_environment("ASIA1", "secret", "token"), REASON_OK);
    assert_string_equal(credentials.session_token, "token");
    assert_int_equal(from_environment("ASIA1", "secret", ""), REASON_OK);
    memset(long_id, 'A', sizeof long_id);
    long_id[CREDENTIALS_KEY_ID_MAX] = '\0';
    const struct {
        const char *id, *key, *token, *says;
    } bad[] = {
        {NULL, "s", "t", "AWS_ACCESS_KEY_ID"},          {"", "s", "t", "AWS_ACCESS_KEY_ID"},
        {long_id, "s", "t", "AWS_ACCESS_KEY_ID"},       {"AKIA1", NULL, "t", "AWS_SECRET_ACCESS_KEY"},
        {"AKIA1", "s s", "t", "AWS_SECRET_ACCESS_KEY"}, {"AKIA1", "s", "t\n", "AWS_SESSION_TOKEN"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        enum reason reason = from_environment(bad[i].id, bad[i].key, bad[i].token);
        assert_true(reason == REASON_INJECTION_INVALID || reason == REASON_SETTING_INVALID);
        assert_non_null(strstr(failure.message, bad[i].says));
        assert_true(failure.permanent && credentials.access_key_id[0] == '\0' &&
                    credentials.secret_access_key[0] == '\0');
    }
    long_id[CREDENTIALS_KEY_ID_MAX - 1] = '\0';
    assert_int_equal(from_environment(long_id, "s", NULL), REASON_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_it_is),
        cmocka_unit_test(three_requests),
        cmocka_unit_test(answers_that_do_not_help),
        cmocka_unit_test(the_longest_words),
        cmocka_unit_test(the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
