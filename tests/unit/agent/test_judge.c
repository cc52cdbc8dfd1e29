#include "agent/judge.h"

#include "tests/unit/unit.h"

static char text[1024];

static void clean(const char *path, const char *wanted) {
    struct buf out = BUF(text);
    bool unclean = judge_clean_path(path, &out);
    assert_string_equal(text, wanted);
    assert_int_equal(unclean, strcmp(path, wanted) != 0);
}

/* As Go's path.Clean and ServeMux have it. */
static void paths(void **state) {
    (void)state;
    clean("/v1/credentials", "/v1/credentials");
    clean("//v1/credentials", "/v1/credentials");
    clean("/v1//credentials", "/v1/credentials");
    clean("/v1/./credentials", "/v1/credentials");
    clean("/v1/../v1/credentials", "/v1/credentials");
    clean("/v1/credentials/", "/v1/credentials/");
    clean("/v1/credentials//", "/v1/credentials/");
    clean("/../..", "/");
    clean("/", "/");
    clean("//", "/");
    clean("/.", "/");
    clean("/a/..", "/");
    clean("/a/.", "/a");
    clean("/a/../", "/");
    clean("/...", "/...");
}

static void host(const char *given, const char *refused_as) {
    struct buf error = BUF(text);
    bool ok = judge_host(given, &error);
    assert_int_equal(ok, refused_as == NULL);
    if (refused_as == NULL)
        return;
    const char *not = strstr(text, "address not ");
    assert_non_null(not );
    assert_string_equal(not +strlen("address not "), refused_as);
}

static void hosts(void **state) {
    (void)state;
    host("169.254.170.23", NULL);
    host("169.254.170.23:80", NULL);
    host("169.254.170.23:", NULL);
    host("169.254.170.23:8080", NULL);
    host("[fd00:ec2::23]", NULL);
    host("[fd00:ec2::23]:80", NULL);
    host("fd00:ec2::23", NULL);
    host("[169.254.170.23]:80", NULL);
    host("", "");
    host("localhost", "localhost");
    host("localhost:80", "localhost");
    host("[::1]:80", "::1");
    host("fd00:ec2::23:80", "fd00:ec2::23:80");
    host("169.254.170.23.", "169.254.170.23.");
    host("169.254.170.24", "169.254.170.24");
    host("169.254.170.23:80:80", "169.254.170.23:80:80");
    host("[fd00:ec2::23", "[fd00:ec2::23");
}

static void refused(const char *token, const char *wanted) {
    static struct jwt_claims claims;
    struct buf error = BUF(text);
    assert_false(judge_token(token, strlen(token), &claims, &error));
    assert_string_equal(text, wanted);
}

#define MALFORMED "Service account token cannot be parsed: token is malformed: "

static void tokens(void **state) {
    static struct jwt_claims claims;
    struct buf error = BUF(text);
    (void)state;
    refused("abc", MALFORMED "token contains an invalid number of segments");
    refused("a.b", MALFORMED "token contains an invalid number of segments");
    refused("a.b.c.d", MALFORMED "token contains an invalid number of segments");
    refused("a.b.c", MALFORMED "could not base64 decode header: illegal base64 data at input byte 1");
    refused("!!!!.e30.c", MALFORMED "could not base64 decode header: illegal base64 data at input byte 0");
    refused("e30.e3=.c", MALFORMED "could not base64 decode claim: illegal base64 data at input byte 2");
    /* {"alg":"RS256"} . {"exp":1,"sub":"system:serviceaccount:ns:sa"} */
    const char *good =
        "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjEsInN1YiI6InN5c3RlbTpzZXJ2aWNlYWNjb3VudDpuczpzYSJ9.AAAA";
    assert_true(judge_token(good, strlen(good), &claims, &error));
    assert_string_equal(claims.namespace, "ns");
    assert_int_equal(claims.expires_s, 1);
}

/* What is too large to be read here is not refused: whoever is asked judges it. */
static void a_huge_token_is_taken_unread(void **state) {
    static struct jwt_claims claims;
    static char token[60000];
    struct buf error = BUF(text);
    (void)state;
    size_t len = (size_t)snprintf(token, sizeof token, "e30.");
    memset(token + len, 'A', 50000);
    memcpy(token + len + 50000, ".AAAA", 6);
    assert_true(judge_token(token, strlen(token), &claims, &error));
    assert_string_equal(claims.pod_uid, "");
    assert_int_equal(claims.expires_s, 0);
}

static void times(int64_t expires_s, int64_t not_before_s, const char *wanted) {
    struct buf error = BUF(text);
    assert_int_equal(judge_times(expires_s, not_before_s, 1000000, &error), wanted == NULL);
    if (wanted != NULL)
        assert_string_equal(text, wanted);
}

#define FAILED "Service account token failed basic claim validations: "

static void no_leeway(void **state) {
    (void)state;
    times(1001, 1000, NULL);
    times(0, 0, NULL);
    times(1000, 0, FAILED "token is expired");
    times(0, 1001, FAILED "token is not valid yet");
    times(999, 1001, FAILED "token is expired, token is not valid yet");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),     cmocka_unit_test(hosts),
        cmocka_unit_test(tokens),    cmocka_unit_test(a_huge_token_is_taken_unread),
        cmocka_unit_test(no_leeway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
