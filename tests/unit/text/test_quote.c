/* Foreign text in messages: what stays, what looks secret, and which part of a body is quoted. */
#include "tests/unit/unit.h"

#include "common/text/quote.h"

static const char *quoted(const char *text, size_t max) {
    static char storage[4096];
    struct buf out = BUF(storage);
    size_t len = strlen(text);
    quote_text(&out, guarded(text, len), len, max);
    assert_false(out.overflow);
    return storage;
}

static void what_looks_secret_is_redacted(void **state) {
    (void)state;
    static const char *const table[][2] = {
        {"token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl is bad", "\"token [redacted] is bad\""},
        {"eyJhbGciOiJSUzI1NiJ9", "\"[redacted]\""},
        {"got token=eyJhbGciOiJub25lIn0", "\"got token=[redacted]\""},
        {"x.eyJhbGciOiJub25lIn0 ends", "\"x.[redacted] ends\""},
        {"key=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY1", "\"key=[redacted]\""},
        {"\"SecretAccessKey\":\"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\",",
         "\"\"SecretAccessKey\":\"[redacted]\",\""},
        {"k AbCdEfGhIjKlMnOpQrSt/Abcdefghijklmnopqrst", "\"k [redacted]\""},
        {"k Abcdefghijklmnopqrst/AbCdEfGhIjKlMnOpQrSt", "\"k [redacted]\""}, /* in whichever order */
        {"Token IQoJb3JpZ2luX2VjEHAaCXVzLWVhc3QtMSJHMEUCIQDx9", "\"Token [redacted]\""},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        assert_string_equal(quoted(table[i][0], 400), table[i][1]);
}

static void what_helps_is_kept(void **state) {
    (void)state;
    static const char *const texts[] = {
        "[1f2e3d4c-5b6a-7988-a0b1-c2d3e4f5a6b7]: (AccessDeniedException): Unauthorized Exception! EKS does "
        "not have "
        "permissions to assume the associated role., fault: client",
        "arn:aws:iam::012345678901:role/my-role",
        "Service account token cannot be parsed: token is malformed",
        "eyJ is short",
        "No OpenIDConnect provider found in your account for "
        "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF",
        "User: arn:aws:sts::111122223333:assumed-role/PodRole1/eks-prod-cart-7d4b9c6-0b1c2d3e is not "
        "authorized "
        "to perform: sts:AssumeRole on resource: arn:aws:iam::444455556666:role/target",
        "User: arn:aws:sts::111122223333:assumed-role/ng-1-NodeInstanceRole-AbCdEf12/i-0123456789abcdef0 is "
        "not "
        "authorized to perform: eks-auth:AssumeRoleForPodIdentity on resource: "
        "arn:aws:eks:eu-west-1:111122223333:cluster/prod",
        "arn:aws:iam::111122223333:role/cdk/ProdClusterNodegroupNodeGroupRole0A1B2C3D-Xy12ZwQ4rTuV",
        "with an explicit deny in a service control policy: "
        "arn:aws:organizations::111122223333:policy/o-a1b2c3d4e5/"
        "service_control_policy/p-FullAWSAccess",
        "AWSServiceRoleForAmazonEKSNodegroup, AmazonEKSWorkerNodePolicy, AssumeRoleWithWebIdentity",
        "operation error EKS Auth: AssumeRoleForPodIdentity, exceeded maximum number of attempts, 3, https "
        "response "
        "error StatusCode: 0, RequestID: , request send failed, Post "
        "\"https://eks-auth.eu-west-1.api.aws/clusters/prod/assume-role-for-pod-identity\": dial tcp "
        "10.0.0.1:443",
        "ip-10-0-12-34.eu-west-1.compute.internal, "
        "vpce-0a1b2c3d4e5f60718-abcdefgh.sts.eu-west-1.vpce.amazonaws.com",
        "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token",
        "JmXhpE8dIAMFQzg=, Root=1-5759e988-bd862e3fe1be46a994272793",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        char expected[1024];
        snprintf(expected, sizeof expected, "\"%s\"", texts[i]);
        assert_string_equal(quoted(texts[i], 600), expected);
    }
}

/* A token cut off by the limit must not show its beginning. */
static void the_limit_cuts_before_a_secret_not_within_it(void **state) {
    (void)state;
    static const char text[] = "abc eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
    for (size_t max = 0; max < sizeof text + 4; max++)
        assert_null(strstr(quoted(text, max), "eyJ"));
    assert_string_equal(quoted("abcdef ghi", 6), "\"abcdef...\"");
    assert_string_equal(quoted("abcdef", 6), "\"abcdef\"");
}

static void quotes_are_one_line(void **state) {
    (void)state;
    assert_string_equal(quoted("a\r\nb\tc\x1b[31m\xc3\xa9", 100), "\"a??b?c?[31m??\"");
    assert_string_equal(quoted("text\r\n", 100), "\"text\"");
    assert_string_equal(quoted("", 100), "\"\"");
    assert_string_equal(quoted(" \n\n", 100), "\"\"");
}

static void a_part_of_it_tells_nothing(void **state) {
    (void)state;
    static const char *const table[][2] = {
        {"bad key wJalrXUtnFEMIxKoMDENGxbPxRfiCYzEXAMPLEKE", "\"bad key [redacted]\""},
        {"secret=wJalrXUtnFEMI%2FK7MDENG%2FbPxRfiCYzEXAMPLEKE&x", "\"secret=[redacted]&x\""},
        {"<p>wJalrXUtnFEMI&#x2F;K7MDENG&#47;bPxRfiCYzEXAMPLEKE</p>", "\"<p>[redacted]</p>\""},
        {"k wJalrXUtnFEMI\\u002fK7MDENG\\/bPxRfiCYzEXAMPLEKE", "\"k [redacted]\""},
        {"token=IQoJb3JpZ2luX2VjEJx%2FY%2Bz1%3Dx%2FY%2Bz1%3D&x", "\"token=[redacted]&x\""},
        {"token deadbeefdeadbeefdeadbeefdeadbeefdeadbeef", "\"token [redacted]\""},
        {"key ASIAIOSFODNN7EXAMPLE is not known", "\"key ASIA...MPLE is not known\""},
        {"(AKIAIOSFODNN7EXAMPLE/20261123/us-east-1)", "\"(AKIA...MPLE/20261123/us-east-1)\""},
        {"see https://joe:pw@proxy.corp:3128/x", "\"see https://[redacted]@proxy.corp:3128/x\""},
        {"at https://sts.amazonaws.com/?X-Amz-Signature=1 .",
         "\"at https://sts.amazonaws.com/?[redacted] .\""},
        {"arn:aws:iam::1:role/"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "\"arn:aws:iam::1:role/[redacted]\""},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        assert_string_equal(quoted(table[i][0], 400), table[i][1]);
}

/* Keys that nobody here knows: of 40 characters as AWS makes them, and bearers of 43. */
static void random_keys_are_told_from_names(void **state) {
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_";
    enum { ROUNDS = 4000, KEY = 40, BEARER = 43 };
    struct dice dice = {.state = 7};
    unsigned missed[2] = {0, 0};
    for (size_t i = 0; i < 2 * ROUNDS; i++) {
        char text[64] = "key ";
        bool url = i % 2 == 1;
        size_t len = url ? BEARER : KEY;
        for (size_t j = 0; j < len; j++) {
            size_t n = (size_t)dice_below(&dice, 64);
            text[4 + j] = digits[url && n >= 62 ? n + 2 : n];
        }
        if (strcmp(quoted(text, 100), "\"key [redacted]\"") != 0)
            missed[url]++;
    }
    if (missed[0] > ROUNDS / 200 || missed[1] > ROUNDS / 50)
        fail_msg("not told: %u of %d keys, %u bearers", missed[0], ROUNDS, missed[1]);
}

static void of_a_body_only_the_message_is_quoted(void **state) {
    (void)state;
    static const char *const table[][2] = {
        {"{\"code\":\"X\",\"message\":\"it \\u0026 more\",\"Token\":\"abcdefgh\"}", "\"it & more\""},
        {"{\"Message\":\"m\"}", "\"m\""},
        {"{\"error\":{\"message\":\"inner\"}}", "\"inner\""},
        {"{\"Error\":{\"Code\":\"c\",\"Message\":\"inner\"}}", "\"inner\""},
        {"{\"error\":\"short\"}", "\"short\""},
        {"{\"AccessKeyId\":\"x\",\"SecretAccessKey\":\"short\"}", "JSON without a message"},
        {"{\"SecretAccessKey\":\"cut off", "JSON without a message"},
        {"[{\"Token\":\"x\"}]", "JSON without a message"},
        {"\"just a text\"", "JSON without a message"},
        {"<html><head><title>503 Busy</title></head><body>token=x</body></html>",
         "a page of HTML \"503 Busy\""},
        {" \n<HTML><body><h1>503 Service Unavailable</h1>\nno", "a page of HTML \"503 Service Unavailable\""},
        {"<!DOCTYPE html><p> ", "a page of HTML"},
        {"<html>blocked", "a page of HTML \"blocked\""},
        {"<html", "a page of HTML"},
        {"<Error><Code>c</Code><Message>words</Message></Error>", "XML \"words\""},
        {"<x>secret</x>", "XML"},
        {"[8d3f]: (AccessDeniedException): words, fault: client\n",
         "\"[8d3f]: (AccessDeniedException): words, fault: client\""},
        {"[]\n", "\"[]\""},
        {"Too Many Requests\n", "\"Too Many Requests\""},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char storage[1024];
        struct buf out = BUF(storage);
        size_t len = strlen(table[i][0]);
        quote_body(&out, guarded(table[i][0], len), len);
        assert_string_equal(storage, table[i][1]);
    }
}

/* An error may repeat a secret that nobody here knows as one: nothing of it stays behind. */
static void nothing_of_a_body_stays(void **state) {
    (void)state;
    static char kept[64];
    char storage[1024], body[256], secret[32];
    struct buf out = BUF(storage);
    snprintf(secret, sizeof secret, "%s%d", "never-to-be-kept-", 4711);
    snprintf(body, sizeof body, "{\"detail\": \"%s\", \"message\": \"words\"}", secret);
    quote_body(&out, body, strlen(body));
    assert_string_equal(storage, "\"words\"");
    assert_false(lies_in_memory(secret, strlen(secret)));
    memcpy(kept, secret, strlen(secret)); /* it would be found */
    assert_true(lies_in_memory(secret, strlen(secret)));
    memset(kept, 0, sizeof kept);
}

/* Whatever bytes come: bounded, one line, and the same each time. */
static void any_bytes_are_one_bounded_line(void **state) {
    (void)state;
    static const char likely[] = "%&#x;\\u0a/=eyJASIA:@?<>{}\"arn:";
    struct dice dice = {.state = 11};
    for (size_t i = 0; i < 3000; i++) {
        char text[1500], storage[4096], again[4096];
        size_t len = (size_t)dice_below(&dice, i % 10 == 0 ? sizeof text : 120);
        for (size_t j = 0; j < len; j++)
            text[j] = dice_below(&dice, 3) == 0 ? likely[dice_below(&dice, sizeof likely - 1)]
                                                : (char)dice_below(&dice, 256);
        struct buf out = BUF(storage), second = BUF(again);
        quote_body(&out, guarded(text, len), len);
        quote_body(&second, guarded(text, len), len);
        assert_string_equal(storage, again);
        assert_true(out.len <= QUOTE_MAX + 64 && strpbrk(storage, "\r\n\x1b") == NULL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_looks_secret_is_redacted),
        cmocka_unit_test(what_helps_is_kept),
        cmocka_unit_test(the_limit_cuts_before_a_secret_not_within_it),
        cmocka_unit_test(quotes_are_one_line),
        cmocka_unit_test(a_part_of_it_tells_nothing),
        cmocka_unit_test(random_keys_are_told_from_names),
        cmocka_unit_test(of_a_body_only_the_message_is_quoted),
        cmocka_unit_test(nothing_of_a_body_stays),
        cmocka_unit_test(any_bytes_are_one_bounded_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
