#include "tests/unit/unit.h"

#include "agent/association_value.h"

#define ROLE "arn:aws:iam::111122223333:role/cart"
#define TARGET "arn:aws:iam::444455556666:role/there"

static const struct associations_rules web = {EXCHANGE_WEB_IDENTITY, ROLE_ARN_AWS, true},
                                       assume = {EXCHANGE_ASSUME_ROLE, ROLE_ARN_AWS, true},
                                       user = {EXCHANGE_ASSUME_ROLE, ROLE_ARN_AWS, false},
                                       other = {EXCHANGE_WEB_IDENTITY, ROLE_ARN_ANY, true};

static struct association_text got;
static struct association_problem problem;

static bool parse(const struct associations_rules *rules, const char *text) {
    return association_parse(guarded(text, strlen(text)), strlen(text), rules, &got, &problem);
}

static void taken(const struct associations_rules *rules, const char *text) {
    if (!parse(rules, text))
        fail_msg("%s: %s %s", text, problem.field, problem.text);
}

static void refused(const struct associations_rules *rules, const char *text, unsigned line,
                    const char *field, const char *words) {
    if (parse(rules, text))
        fail_msg("%s was taken", text);
    if (problem.line != line || strcmp(problem.field, field) != 0 || strstr(problem.text, words) == NULL)
        fail_msg("%s: line %u, %s, \"%s\" is not line %u, %s, \"%s\"", text, problem.line, problem.field,
                 problem.text, line, field, words);
}

static void the_least(void **state) {
    (void)state;
    taken(&web, "{\"roleArn\": \"" ROLE "\"}");
    assert_string_equal(got.role_arn, ROLE);
    assert_string_equal(got.target_role_arn, "");
    assert_string_equal(got.external_id, "");
    assert_string_equal(got.policy, "");
    assert_int_equal(got.duration_s, 0);
    assert_true(got.session_tags);
    assert_int_equal(got.exchange, EXCHANGE_WEB_IDENTITY);
    taken(&assume, " {\n\"roleArn\": \"" ROLE "\"}\n");
    assert_int_equal(got.exchange, EXCHANGE_ASSUME_ROLE);
}

static void everything(void **state) {
    (void)state;
    taken(&assume, "{\"roleArn\": \"" ROLE "\", \"targetRoleArn\": \"" TARGET "\", \"externalId\": \"a/b:c\","
                   "\"disableSessionTags\": true, \"policy\": \"{\\\"Version\\\": \\\"2012-10-17\\\"}\","
                   "\"durationSeconds\": 900, \"exchange\": \"web-identity\"}");
    assert_string_equal(got.target_role_arn, TARGET);
    assert_string_equal(got.external_id, "a/b:c");
    assert_string_equal(got.policy, "{\"Version\": \"2012-10-17\"}");
    assert_int_equal(got.duration_s, 900);
    assert_false(got.session_tags);
    assert_int_equal(got.exchange, EXCHANGE_WEB_IDENTITY);
    taken(&assume,
          "{\"roleArn\": \"" ROLE "\", \"disableSessionTags\": false, \"exchange\": \"assume-role\"}");
    assert_true(got.session_tags);
    taken(&other, "{\"roleArn\": \"arn:minio:iam:::role/x\"}");
}

static void what_is_no_value(void **state) {
    (void)state;
    static const struct {
        const char *text, *words;
        unsigned line;
    } table[] = {
        {"", "is not JSON: ", 1},
        {" \n ", "is not JSON: ", 2},
        {"nonsense", "is not JSON: ", 1},
        {"{\n\"roleArn\": \"" ROLE "\",\n}", "is not JSON: ", 3},
        {"{\"roleArn\": \"" ROLE "\"} x", "is not JSON: ", 1},
        {"[]", "is not a JSON object", 1},
        {"\"" ROLE "\"", "is not a JSON object", 1},
        {"null", "is not a JSON object", 1},
        {"{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", "is not JSON: ", 1},
        {"{\n\"roleArn\": \"" ROLE "\",\n\"role\": 1}", "unknown field \"role\"; the fields are roleArn, ",
         3},
        {"{\"rolearn\": \"" ROLE "\"}", "unknown field \"rolearn\"", 1},
        {"{\"ro\\u001ble\": 1}", "unknown field \"ro?le\"", 1},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        refused(&web, table[i].text, table[i].line, "the value", table[i].words);
}

static void each_field(void **state) {
    (void)state;
#define WITH(more) "{\"roleArn\": \"" ROLE "\",\n" more "}"
    static const struct {
        const char *text, *field, *words;
    } table[] = {
        {WITH("\"targetRoleArn\": 1"), "targetRoleArn", "is not a string"},
        {WITH("\"targetRoleArn\": null"), "targetRoleArn", "is not a string"},
        {WITH("\"targetRoleArn\": \"\""), "targetRoleArn", "is empty"},
        {WITH("\"targetRoleArn\": \"arn:aws:iam::1:role/x\""), "targetRoleArn", "account of 1 digits"},
        {WITH("\"targetRoleArn\": \"arn:minio:iam:::role/x\""), "targetRoleArn", "is not an ARN of AWS"},
        {WITH("\"targetRoleArn\": \"" TARGET " \""), "targetRoleArn", "\"" TARGET " \" "},
        {WITH("\"externalId\": \"abc\""), "externalId", "targetRoleArn only"},
        {WITH("\"targetRoleArn\": \"" TARGET "\", \"externalId\": \"a\""), "externalId", "2 to 1224"},
        {WITH("\"targetRoleArn\": \"" TARGET "\", \"externalId\": \"a b\""), "externalId", "2 to 1224"},
        {WITH("\"disableSessionTags\": \"true\""), "disableSessionTags", "neither true nor false"},
        {WITH("\"disableSessionTags\": 1"), "disableSessionTags", "neither true nor false"},
        {WITH("\"policy\": {}"), "policy", "must be a string"},
        {WITH("\"policy\": \"x\""), "policy", "not a JSON object in a string"},
        {WITH("\"policy\": \"[]\""), "policy", "not a JSON object in a string"},
        {WITH("\"policy\": \"{\\u20ac}\""), "policy", "characters that no policy may have"},
        {WITH("\"durationSeconds\": \"3600\""), "durationSeconds", "not a whole number"},
        {WITH("\"durationSeconds\": 1000.5"), "durationSeconds", "not a whole number"},
        {WITH("\"durationSeconds\": 1e300"), "durationSeconds", "not a whole number"},
        {WITH("\"durationSeconds\": 899"), "durationSeconds", "is 899; it must be 900 to 43200"},
        {WITH("\"durationSeconds\": 43201"), "durationSeconds", "is 43201"},
        {WITH("\"durationSeconds\": -900"), "durationSeconds", "is -900"},
        {WITH("\"exchange\": \"AssumeRole\""), "exchange", "neither"},
        {WITH("\"exchange\": true"), "exchange", "neither"},
        {WITH("\"roleArn\": \"" ROLE "\""), "roleArn", "is given twice"},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        refused(&web, table[i].text, 2, table[i].field, table[i].words);
    refused(&web, "{}", 1, "roleArn", "is missing");
    refused(&web, "{\"targetRoleArn\": \"" TARGET "\"}", 1, "roleArn", "is missing");
}

static void the_ceiling(void **state) {
    (void)state;
    const char *asks = WITH("\"exchange\": \"assume-role\"");
    refused(&web, asks, 2, "exchange", "--exchange=web-identity");
    taken(&assume, asks);
    taken(&assume, WITH("\"exchange\": \"web-identity\""));
}

/* An hour is the most wherever a role's credentials assume a role. */
static void durations_of_chains(void **state) {
    (void)state;
    taken(&web, WITH("\"durationSeconds\": 43200"));
    taken(&user, WITH("\"durationSeconds\": 43200"));
    taken(&assume, WITH("\"durationSeconds\": 3600"));
    refused(&assume, WITH("\"durationSeconds\": 3601"), 2, "durationSeconds", "--exchange=assume-role");
    taken(&assume, WITH("\"exchange\": \"web-identity\", \"durationSeconds\": 43200"));
    taken(&web, WITH("\"targetRoleArn\": \"" TARGET "\", \"durationSeconds\": 3600"));
    refused(&web, WITH("\"durationSeconds\": 3601, \"targetRoleArn\": \"" TARGET "\""), 2, "durationSeconds",
            "for targetRoleArn");
    refused(&user, WITH("\"durationSeconds\": 7200, \"targetRoleArn\": \"" TARGET "\""), 2, "durationSeconds",
            "is 7200; STS gives at most 3600");
}

static void limits(void **state) {
    (void)state;
    static char text[20000], id[1300], policy[2100];
    memset(id, 'a', 1225);
    snprintf(text, sizeof text, WITH("\"targetRoleArn\": \"" TARGET "\", \"externalId\": \"%s\""), id);
    refused(&web, text, 2, "externalId", "has 1225 characters; at most 1224");
    id[1224] = '\0';
    snprintf(text, sizeof text, WITH("\"targetRoleArn\": \"" TARGET "\", \"externalId\": \"%s\""), id);
    taken(&web, text);
    memset(policy, ' ', 2047);
    memcpy(policy, "{}", 2);
    snprintf(text, sizeof text, WITH("\"policy\": \"%s\""), policy);
    taken(&web, text);
    memset(policy + 2, ' ', 2047);
    snprintf(text, sizeof text, WITH("\"policy\": \"%s\""), policy);
    refused(&web, text, 2, "policy", "has 2049 characters; at most 2048");
    memset(text, ' ', sizeof text);
    text[16385] = '\0';
    refused(&web, text, 1, "the value", "has more than 16384 bytes");
    /* Shorter, and of more parts than there is room for. */
    memset(text, ',', 12000);
    memcpy(text, "{\"roleArn\":[1", 13);
    for (size_t i = 14; i < 12000; i += 2)
        text[i] = '1';
    memcpy(text + 11999, "]}", 3);
    refused(&web, text, 1, "the value", "has more values in it than an association can have");
}

static void every_beginning_is_refused(void **state) {
    (void)state;
    static const char whole[] = WITH("\"durationSeconds\": 3600, \"policy\": \"{\\\"a\\\": [1]}\"");
    char text[sizeof whole];
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        memcpy(text, whole, len);
        text[len] = '\0';
        assert_false(parse(&web, text));
    }
    taken(&web, whole);
}

static void keys(void **state) {
    (void)state;
    static const struct {
        const char *key, *words; /* NULL: it is one */
    } table[] = {
        {"default.cart", NULL},
        {"shop.my.app", NULL},
        {"a.b", NULL},
        {"team-1.app-2.x", NULL},
        {"default", "no dot"},
        {"", "no dot"},
        {".cart", "namespace's name"},
        {"-a.cart", "namespace's name"},
        {"a-.cart", "namespace's name"},
        {"Shop.cart", "namespace's name"},
        {"a_b.cart", "namespace's name"},
        {"default.", "service account's name"},
        {"default..cart", "service account's name"},
        {"default.cart.", "service account's name"},
        {"default.Cart", "service account's name"},
        {"default.c_t", "service account's name"},
        {"default.cart~", "service account's name"},
        {"0123456789012345678901234567890123456789012345678901234567890123.a", "namespace's name"},
    };
    char text[300], long_key[300];
    for (size_t i = 0; i < COUNT(table); i++) {
        struct buf why = BUF(text);
        size_t len = strlen(table[i].key);
        bool good = association_key_check(guarded(table[i].key, len), len, &why);
        if (good != (table[i].words == NULL) || (!good && strstr(text, table[i].words) == NULL))
            fail_msg("%s: %d, %s", table[i].key, (int)good, text);
    }
    struct buf why = BUF(text);
    memset(long_key, 'a', sizeof long_key);
    long_key[3] = '.';
    assert_true(association_key_check(long_key, 253, &why));
    assert_false(association_key_check(long_key, 254, &why));
    assert_non_null(strstr(text, "254 characters; a ConfigMap's keys have at most 253"));
    buf_reset(&why);
    assert_false(association_key_check("a\0.b", 4, &why));
    assert_false(association_key_check("a.b\0", 4, &why));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least),
        cmocka_unit_test(everything),
        cmocka_unit_test(what_is_no_value),
        cmocka_unit_test(each_field),
        cmocka_unit_test(the_ceiling),
        cmocka_unit_test(durations_of_chains),
        cmocka_unit_test(limits),
        cmocka_unit_test(every_beginning_is_refused),
        cmocka_unit_test(keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
