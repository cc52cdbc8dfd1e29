#include "tests/unit/unit.h"

#include "common/pod/jwt.h"
#include "common/text/base64url.h"

/* HEADER.CLAIMS.SIGNATURE from plain JSON. Static storage. */
static const char *token_of(const char *header, const char *claims, const char *signature) {
    static char token[65536];
    char part[32768];
    base64url_encode((const unsigned char *)header, strlen(header), part);
    int at = snprintf(token, sizeof token, "%s.", part);
    base64url_encode((const unsigned char *)claims, strlen(claims), part);
    snprintf(token + at, sizeof token - (size_t)at, "%s.%s", part, signature);
    return token;
}

static enum err inspect(const char *claims, struct jwt_claims *out, const char **wrong) {
    const char *token = token_of("{\"alg\":\"RS256\",\"kid\":\"k\"}", claims, "c2ln");
    *wrong = NULL;
    return jwt_inspect_unverified(guarded(token, strlen(token)), strlen(token), out, wrong);
}

#define SERVICE_ACCOUNT_CLAIMS                                                                               \
    "{\"aud\":[\"pods.eks.amazonaws.com\"],\"exp\":1795521600,\"iat\":1795435200,\"nbf\":1795435200,"        \
    "\"iss\":\"https://oidc.eks.eu-central-1.amazonaws.com/id/0123\",\"jti\":\"u\",\"kubernetes.io\":"       \
    "{\"namespace\":\"shop\",\"node\":{\"name\":\"n\"},\"pod\":{\"name\":\"cart-1\",\"uid\":\"u\"},"         \
    "\"serviceaccount\":{\"name\":\"cart\",\"uid\":\"u\"}},\"sub\":\"system:serviceaccount:shop:cart\"}"

static void a_service_account_token(void **state) {
    (void)state;
    struct jwt_claims c;
    const char *wrong;
    assert_int_equal(inspect(SERVICE_ACCOUNT_CLAIMS, &c, &wrong), ERR_OK);
    assert_string_equal(c.issuer, "https://oidc.eks.eu-central-1.amazonaws.com/id/0123");
    assert_string_equal(c.subject, "system:serviceaccount:shop:cart");
    assert_string_equal(c.namespace, "shop");
    assert_string_equal(c.service_account, "cart");
    assert_string_equal(c.pod, "cart-1");
    assert_string_equal(c.pod_uid, "u");
    assert_int_equal(c.expires_s, 1795521600);
    assert_int_equal(c.issued_at_s, 1795435200);
    assert_int_equal(c.not_before_s, 1795435200);
    assert_true(c.has_expires && c.has_issued_at && c.has_not_before);
    assert_true(jwt_has_audience(&c, "pods.eks.amazonaws.com"));
    assert_false(jwt_has_audience(&c, "pods.eks.amazonaws.co"));
    assert_false(jwt_has_audience(&c, "sts.amazonaws.com"));
}

static void an_audience_is_a_text_or_a_list(void **state) {
    (void)state;
    struct jwt_claims c;
    const char *wrong;
    assert_int_equal(inspect("{\"aud\":\"one\"}", &c, &wrong), ERR_OK);
    assert_true(jwt_has_audience(&c, "one"));
    assert_int_equal(inspect("{\"aud\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\"]}", &c, &wrong),
                     ERR_OK);
    assert_int_equal(c.audience_count, 8);
    assert_true(jwt_has_audience(&c, "8"));
    assert_int_equal(inspect("{\"aud\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}", &c, &wrong),
                     ERR_TOO_LONG);
    assert_int_equal(inspect("{\"aud\":[]}", &c, &wrong), ERR_OK);
    assert_int_equal(c.audience_count, 0);
    assert_int_equal(inspect("{}", &c, &wrong), ERR_OK);
    assert_false(c.has_expires || c.has_issued_at || c.has_not_before);
    assert_false(jwt_has_audience(&c, ""));
}

static void names_come_from_the_subject_where_the_claim_is_missing(void **state) {
    (void)state;
    static const struct {
        const char *subject, *namespace, *name;
    } table[] = {
        {"system:serviceaccount:shop:cart", "shop", "cart"},
        {"system:serviceaccount:shop", "", ""},
        {"system:serviceaccount:a:b:c", "", ""},
        {"system:node:n1", "", ""},
        {"system:serviceaccount:", "", ""},
        {"", "", ""},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct jwt_claims c;
        char claims[256];
        const char *wrong;
        snprintf(claims, sizeof claims, "{\"sub\":\"%s\"}", table[i].subject);
        assert_int_equal(inspect(claims, &c, &wrong), ERR_OK);
        assert_string_equal(c.namespace, table[i].namespace);
        assert_string_equal(c.service_account, table[i].name);
    }
}

static void wrong_types_are_named(void **state) {
    (void)state;
    static const struct {
        const char *claims, *wrong;
        enum err result;
    } table[] = {
        {"{\"exp\":\"1795521600\"}", "claim exp", ERR_TYPE},
        {"{\"iat\":true}", "claim iat", ERR_TYPE},
        {"{\"nbf\":null}", "claim nbf", ERR_TYPE},
        {"{\"exp\":1e300}", "claim exp", ERR_TYPE},
        {"{\"iss\":7}", "claim iss", ERR_TYPE},
        {"{\"sub\":[]}", "claim sub", ERR_TYPE},
        {"{\"aud\":7}", "claim aud", ERR_TYPE},
        {"{\"aud\":{\"x\":\"y\"}}", "claim aud", ERR_TYPE},
        {"{\"aud\":[\"x\",7]}", "claim aud", ERR_TYPE},
        {"{\"kubernetes.io\":\"x\"}", "claim kubernetes.io", ERR_TYPE},
        {"{\"kubernetes.io\":{\"namespace\":1}}", "claim kubernetes.io.namespace", ERR_TYPE},
        {"{\"kubernetes.io\":{\"serviceaccount\":{\"name\":1}}}", "claim kubernetes.io.serviceaccount.name",
         ERR_TYPE},
        {"[]", "the claims (base64url of a JSON object)", ERR_TYPE},
        {"\"x\"", "the claims (base64url of a JSON object)", ERR_TYPE},
        {"{", "the claims (base64url of a JSON object)", ERR_SYNTAX},
        {"", "the claims (base64url of a JSON object)", ERR_EMPTY},
        {"[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]", "the claims (base64url of a JSON object)", ERR_TOO_DEEP},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct jwt_claims c;
        const char *wrong;
        enum err e = inspect(table[i].claims, &c, &wrong);
        if (e != table[i].result)
            fail_msg("%s gave %d", table[i].claims, (int)e);
        assert_string_equal(wrong, table[i].wrong);
    }
}

static void texts_that_are_no_token(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      ".",
                                      "..",
                                      "...",
                                      "e30",
                                      "e30.e30",
                                      "e30.e30.",
                                      ".e30.x",
                                      "e30..c2ln",
                                      "e30.e30.c2ln.x",
                                      "e30=.e30.c2ln",
                                      "e30.e30.c2l=",
                                      "e30.e30.c",
                                      "e30.e3 0.c2ln",
                                      "e30.e30.c2ln\n",
                                      "Bearer e30.e30.c2ln",
                                      "-----BEGIN CERTIFICATE-----",
                                      "e3.e30.c2ln",
                                      "bnVsbA.e30.c2ln"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct jwt_claims c;
        const char *wrong = NULL;
        size_t len = strlen(bad[i]);
        if (jwt_inspect_unverified(guarded(bad[i], len), len, &c, &wrong) == ERR_OK)
            fail_msg("%s was taken", bad[i]);
        assert_non_null(wrong);
    }
    struct jwt_claims c;
    assert_int_equal(jwt_inspect_unverified("e30.e30.c2ln", 12, &c, NULL), ERR_OK);
    assert_int_equal(jwt_inspect_unverified("e30.e3\0.c2ln", 12, &c, NULL), ERR_SYNTAX);
}

static void every_beginning_of_a_token_is_refused_or_has_all_claims(void **state) {
    (void)state;
    const char *token = token_of("{\"alg\":\"RS256\"}", SERVICE_ACCOUNT_CLAIMS, "c2lnbmF0dXJl");
    size_t len = strlen(token), claims_end = (size_t)(strrchr(token, '.') - token);
    for (size_t n = 0; n < len; n++) {
        struct jwt_claims c;
        if (jwt_inspect_unverified(guarded(token, n), n, &c, NULL) == ERR_OK)
            assert_true(n > claims_end + 1); /* only the signature is shorter, which nobody looks at here */
    }
}

static void texts_over_the_limit_are_errors(void **state) {
    (void)state;
    static char claims[20000];
    struct jwt_claims c;
    const char *wrong;
    int at = snprintf(claims, sizeof claims, "{\"sub\":\"");
    memset(claims + at, 's', JWT_TEXT_MAX - 1);
    strcpy(claims + at + JWT_TEXT_MAX - 1, "\"}");
    assert_int_equal(inspect(claims, &c, &wrong), ERR_OK);
    assert_int_equal(strlen(c.subject), JWT_TEXT_MAX - 1);
    memset(claims + at, 's', JWT_TEXT_MAX);
    strcpy(claims + at + JWT_TEXT_MAX, "\"}");
    assert_int_equal(inspect(claims, &c, &wrong), ERR_TOO_LONG);
    assert_string_equal(wrong, "claim sub");
    memset(claims, ' ', JWT_CLAIMS_MAX);
    strcpy(claims + JWT_CLAIMS_MAX - 1, "{}");
    assert_int_equal(inspect(claims, &c, &wrong), ERR_TOO_LONG);
    strcpy(claims + JWT_CLAIMS_MAX - 2, "{}");
    assert_int_equal(inspect(claims, &c, &wrong), ERR_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_account_token),
        cmocka_unit_test(an_audience_is_a_text_or_a_list),
        cmocka_unit_test(names_come_from_the_subject_where_the_claim_is_missing),
        cmocka_unit_test(wrong_types_are_named),
        cmocka_unit_test(texts_that_are_no_token),
        cmocka_unit_test(every_beginning_of_a_token_is_refused_or_has_all_claims),
        cmocka_unit_test(texts_over_the_limit_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
