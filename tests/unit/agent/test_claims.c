#include "tests/unit/unit.h"

#include "agent/claims.h"

#define NOW 1795435200

static const struct claims_rules rules = {.issuers = {"https://one.example", "https://two.example"},
                                          .issuer_count = 2,
                                          .audience = "pods.eks.amazonaws.com",
                                          .node = "node-1"};

static struct jwt_claims good(void) {
    struct jwt_claims c = {.issuer = "https://two.example",
                           .subject = "system:serviceaccount:shop:cart",
                           .audiences = {"else", "pods.eks.amazonaws.com"},
                           .audience_count = 2,
                           .namespace = "shop",
                           .service_account = "cart",
                           .pod = "cart-1",
                           .pod_uid = "u-1",
                           .node = "node-1",
                           .not_before_s = NOW,
                           .expires_s = NOW + 1,
                           .has_not_before = true,
                           .has_expires = true};
    return c;
}

/* Expects a refusal with that code and those words. */
static void refused(const struct jwt_claims *c, const char *code, const char *words) {
    char text[300];
    const char *got;
    struct buf why = BUF(text);
    assert_false(claims_accept(&rules, c, NOW, &got, &why));
    assert_string_equal(got, code);
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, words);
    assert_false(why.overflow);
}

static void a_whole_token(void **state) {
    (void)state;
    char text[300];
    const char *code;
    struct buf why = BUF(text);
    struct jwt_claims c = good();
    assert_true(claims_accept(&rules, &c, NOW, &code, &why));
    c.node[0] = '\0'; /* tokens before Kubernetes 1.30 */
    c.has_not_before = false;
    strcpy(c.issuer, "https://one.example");
    assert_true(claims_accept(&rules, &c, NOW, &code, &why));
    struct claims_rules any = rules;
    any.node = NULL;
    strcpy(c.node, "node-2");
    assert_true(claims_accept(&any, &c, NOW, &code, &why));
    assert_int_equal(why.len, 0);
}

static void each_claim_counts(void **state) {
    (void)state;
    struct jwt_claims c;
#define WITHOUT(change, code, words)                                                                         \
    c = good();                                                                                              \
    change;                                                                                                  \
    refused(&c, code, words)
    WITHOUT(strcpy(c.issuer, "https://two.example/"), "InvalidTokenException",
            "another cluster: https://two.example/");
    WITHOUT(c.issuer[0] = '\0', "InvalidTokenException", "another cluster: (nobody)");
    WITHOUT(c.audience_count = 1, "InvalidTokenException", "another audience: else");
    WITHOUT(c.audience_count = 0, "InvalidTokenException", "another audience: (none)");
    WITHOUT(c.has_expires = false, "InvalidTokenException", "when it ends");
    WITHOUT(c.expires_s = NOW, "ExpiredTokenException", "expired 0 seconds ago");
    WITHOUT(c.expires_s = NOW - 61, "ExpiredTokenException", "expired 61 seconds ago");
    WITHOUT(c.not_before_s = NOW + 5, "InvalidTokenException", "5 seconds from now");
    WITHOUT(c.namespace[0] = '\0', "InvalidTokenException", "no namespace");
    WITHOUT(c.service_account[0] = '\0', "InvalidTokenException", "no service account");
    WITHOUT(c.pod[0] = '\0', "InvalidTokenException", "not bound to a pod");
    WITHOUT(c.pod_uid[0] = '\0', "InvalidTokenException", "no pod UID");
    WITHOUT(strcpy(c.subject, "system:serviceaccount:shop:cart2"), "InvalidTokenException", "subject");
    WITHOUT(strcpy(c.subject, "system:serviceaccount:sho:cart"), "InvalidTokenException", "subject");
    WITHOUT(strcpy(c.subject, "system:serviceaccount:shop"), "InvalidTokenException", "subject");
    WITHOUT(c.subject[0] = '\0', "InvalidTokenException", "subject");
    WITHOUT(strcpy(c.node, "node-2"), "InvalidTokenException", "another node: node-2");
}

/* A claim is another's text: nothing in it breaks out of its line. */
static void hostile_text(void **state) {
    (void)state;
    struct jwt_claims c = good();
    memset(c.issuer, 'x', JWT_TEXT_MAX - 1);
    c.issuer[3] = '\n';
    refused(&c, "InvalidTokenException", "xxx?xxx");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_token),
        cmocka_unit_test(each_claim_counts),
        cmocka_unit_test(hostile_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
