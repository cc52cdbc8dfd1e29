/* What a user may ask of a source, value by value: what is taken, what is refused and with which words, and
 * how the settings of roles are spread. */
#include "tests/unit/unit.h"

#include <strings.h>

#include "common/source/source_options.h"

#define ROLE "arn:aws:iam::123456789012:role/app"

static struct source_options o;
static char text[512];
static struct buf problem;

static int fresh(void **state) {
    (void)state;
    memset(&o, 0, sizeof o);
    problem = BUF(text);
    return 0;
}

static bool take(option_take *option, const char *value) {
    problem = BUF(text);
    return option(&o, value, &problem);
}

static void taken(option_take *option, const char *value) {
    if (!take(option, value) || problem.len > 0)
        fail_msg("%s: %s", value, text);
}

static void refused(option_take *option, const char *value, const char *says) {
    bool ok = take(option, value);
    if (ok || strstr(text, says) == NULL)
        fail_msg("%s: %d, %s, no %s", value, ok, text, says);
}

static const char *repeat(const char *start, char c, size_t len) {
    static char places[2][4096];
    static unsigned turn;
    char *out = places[++turn % 2];
    assert_true(len + strlen(start) < sizeof places[0]);
    strcpy(out, start);
    memset(out + strlen(start), c, len - strlen(start));
    out[len] = '\0';
    return out;
}

static void choices(void **state) {
    (void)state;
    taken(source_take_kind, "pod-identity");
    assert_int_equal(o.kind, SOURCE_POD_IDENTITY);
    taken(source_take_kind, "irsa");
    assert_int_equal(o.kind, SOURCE_WEB_IDENTITY);
    taken(source_take_kind, "eks-auth");
    assert_int_equal(o.kind, SOURCE_EKS_AUTH);
    refused(source_take_kind, "imds", "auto");
    assert_int_equal(o.kind, SOURCE_EKS_AUTH);
    taken(source_take_kind, "auto");
    assert_int_equal(o.kind, SOURCE_AUTO);
    taken(source_take_self_injected, "never");
    assert_int_equal(o.self_injected, INJECTION_SELF_NEVER);
    refused(source_take_self_injected, "maybe", "never");
    taken(source_take_node, "environment");
    assert_int_equal(o.node, SOURCE_NODE_ENVIRONMENT);
    taken(source_take_node, "imds");
    assert_int_equal(o.node, SOURCE_NODE_IMDS);
    refused(source_take_node, "none", "imds");
    taken(source_take_expired, "pass");
    assert_true(o.pass_expired);
    taken(source_take_expired, "refuse");
    assert_false(o.pass_expired);
    refused(source_take_expired, "keep", "refuse");
}

static void texts_of_a_role(void **state) {
    (void)state;
    taken(source_take_external_id, "ab");
    taken(source_take_external_id, "aZ09_+=,.@-:/");
    assert_string_equal(o.base.external_id, "aZ09_+=,.@-:/");
    taken(source_take_external_id, repeat("", 'x', STS_EXTERNAL_ID_MAX));
    refused(source_take_external_id, repeat("", 'x', STS_EXTERNAL_ID_MAX + 1), "2 to 1224");
    refused(source_take_external_id, "a", "2 to 1224");
    refused(source_take_external_id, "a b", "2 to 1224");
    taken(source_take_session_name, "cart-1@x");
    assert_string_equal(o.base.session_name, "cart-1@x");
    taken(source_take_session_name, repeat("", 'x', STS_SESSION_NAME_MAX));
    refused(source_take_session_name, repeat("", 'x', STS_SESSION_NAME_MAX + 1), "2 to 64");
    refused(source_take_session_name, "a", "2 to 64");
    refused(source_take_session_name, "a:b", "2 to 64"); /* an external id may have it, a name may not */
    taken(source_take_source_identity, "me");
    assert_string_equal(o.base.source_identity, "me");
    refused(source_take_source_identity, "m", "2 to 64");
    refused(source_take_source_identity, "me/you", "2 to 64");
    assert_string_equal(o.base.source_identity, "me");
}

static void durations(void **state) {
    (void)state;
    taken(source_take_duration, "15m");
    assert_int_equal(o.base.duration_s, 900);
    taken(source_take_duration, "12h");
    assert_int_equal(o.base.duration_s, 43200);
    refused(source_take_duration, "899s", "15m to 12h");
    refused(source_take_duration, "43201s", "15m to 12h");
    refused(source_take_duration, "900500ms", "whole seconds");
    refused(source_take_duration, "soon", "");
}

static void own_settings_are_the_last_role_s(void **state) {
    (void)state;
    taken(source_take_role, ROLE);
    taken(source_take_role, "arn:aws:iam::123456789012:role/other");
    o.own_settings = true;
    taken(source_take_external_id, "ext");
    taken(source_take_duration, "1h");
    taken(source_take_tag, "k=v");
    assert_string_equal(o.roles[1].external_id, "ext");
    assert_int_equal(o.roles[1].duration_s, 3600);
    assert_int_equal(o.roles[1].tag_count, 1);
    assert_null(o.roles[0].external_id);
    assert_null(o.base.external_id);
}

static void tags(void **state) {
    (void)state;
    char pair[512];
    taken(source_take_tag, "team=payments=eu");
    assert_string_equal(o.base.tags[0].key, "team");
    assert_string_equal(o.base.tags[0].value, "payments=eu");
    taken(source_take_tag, "empty=");
    assert_string_equal(o.base.tags[1].value, "");
    assert_int_equal(o.base.tag_count, 2);
    refused(source_take_tag, "novalue", "KEY=VALUE");
    refused(source_take_tag, "=x", "1 to 128");
    refused(source_take_tag, "aws:x=y", "aws:");
    refused(source_take_tag, "TEAM=x", "twice");
    refused(source_take_tag, "bell=\a", "control character");
    refused(source_take_tag, "del=\x7f", "control character");
    snprintf(pair, sizeof pair, "%s=x", repeat("", 'k', STS_TAG_KEY_MAX));
    taken(source_take_tag, pair);
    snprintf(pair, sizeof pair, "%s=x", repeat("", 'l', STS_TAG_KEY_MAX + 1));
    refused(source_take_tag, pair, "1 to 128");
    snprintf(pair, sizeof pair, "long=%s", repeat("", 'v', STS_TAG_VALUE_MAX));
    taken(source_take_tag, pair);
    snprintf(pair, sizeof pair, "longer=%s", repeat("", 'v', STS_TAG_VALUE_MAX + 1));
    refused(source_take_tag, pair, "256");
    assert_int_equal(o.base.tag_count, 4); /* what is refused does not count */
    for (size_t i = o.base.tag_count; i < STS_TAGS_MAX; i++) {
        snprintf(pair, sizeof pair, "key%zu=v", i);
        taken(source_take_tag, pair);
    }
    refused(source_take_tag, "one=more", "more than 16 tags");
}

static void transitive_keys(void **state) {
    (void)state;
    taken(source_take_transitive, "team");
    assert_string_equal(o.base.transitive[0], "team");
    refused(source_take_transitive, "", "1 to 128");
    refused(source_take_transitive, repeat("", 'k', STS_TAG_KEY_MAX + 1), "1 to 128");
    taken(source_take_transitive, repeat("", 'k', STS_TAG_KEY_MAX));
    while (o.base.transitive_count < STS_TAGS_MAX)
        taken(source_take_transitive, "k");
    refused(source_take_transitive, "k", "more than 16 keys");
}

static void policies(void **state) {
    (void)state;
    const char *path = scratch_path("policy.json");
    char most[STS_POLICY_MAX + 3];
    write_file(path, "{\"Version\":\"2012-10-17\"}\r\n \n", 28);
    taken(source_take_policy_file, path);
    assert_string_equal(o.base.policy, "{\"Version\":\"2012-10-17\"}");
    memset(most, 'x', sizeof most);
    most[0] = '{';
    write_file(path, most, STS_POLICY_MAX);
    taken(source_take_policy_file, path);
    assert_int_equal(strlen(o.base.policy), STS_POLICY_MAX);
    write_file(path, most, STS_POLICY_MAX + 1);
    refused(source_take_policy_file, path, "1 to 2048 characters");
    write_file(path, most, sizeof most);
    refused(source_take_policy_file, path, "1 to 2048 characters");
    write_file(path, "", 0);
    refused(source_take_policy_file, path, "no JSON policy");
    write_file(path, " \n", 2);
    refused(source_take_policy_file, path, "no JSON policy");
    write_file(path, "[]", 2);
    refused(source_take_policy_file, path, "no JSON policy");
    write_file(path, "{\0}", 3);
    refused(source_take_policy_file, path, "no JSON policy");
    refused(source_take_policy_file, scratch_path("absent"), "cannot be read: No such file or directory");
    refused(source_take_policy_file, scratch_folder(), "cannot be read: Is a directory");
}

static void settings_of_aws(void **state) {
    (void)state;
    taken(source_take_region, "eu-west-1");
    assert_string_equal(o.region, "eu-west-1");
    refused(source_take_region, "eu west", "");
    assert_string_equal(o.region, "eu-west-1");
    taken(source_take_cluster_name, "demo_1-x");
    assert_string_equal(o.cluster_name, "demo_1-x");
    refused(source_take_cluster_name, "-demo", "1 to 100");
    taken(source_take_ca_bundle, "/x");
    assert_string_equal(o.ca_bundle, "/x");
    refused(source_take_ca_bundle, "x.pem", "absolute");
    refused(source_take_ca_bundle, "/", "too long");
    taken(source_take_expect_account, "123456789012");
    assert_string_equal(o.expect_account, "123456789012");
    refused(source_take_expect_account, "12345678901", "12 digits");
    refused(source_take_expect_account, "1234567890123", "12 digits");
    refused(source_take_expect_account, "12345678901x", "12 digits");
    taken(source_take_expect_role, "app");
    taken(source_take_expect_role, ROLE);
    assert_string_equal(o.expect_role, ROLE);
    refused(source_take_expect_role, "arn:aws:iam::1:role/app", "");
    refused(source_take_expect_role, "", "2048");
    taken(source_take_expect_role, repeat("", 'r', STS_ARN_MAX));
    refused(source_take_expect_role, repeat("", 'r', STS_ARN_MAX + 1), "2048");
}

static void a_chain_has_an_end(void **state) {
    (void)state;
    refused(source_take_role, "app", "");
    for (size_t i = 0; i < SOURCE_ROLES_MAX; i++)
        taken(source_take_role, ROLE);
    refused(source_take_role, ROLE, "more than 5 roles");
    assert_int_equal(o.role_count, SOURCE_ROLES_MAX);
}

static void all_texts_have_a_limit(void **state) {
    (void)state;
    size_t most = SOURCE_TEXT_MAX / (STS_EXTERNAL_ID_MAX + 1);
    for (size_t i = 0; i < most; i++)
        taken(source_take_external_id, repeat("", 'x', STS_EXTERNAL_ID_MAX));
    size_t left = SOURCE_TEXT_MAX - most * (STS_EXTERNAL_ID_MAX + 1);
    refused(source_take_external_id, repeat("", 'y', left), "more than 16384 bytes");
    taken(source_take_external_id, repeat("", 'y', left - 1)); /* its NUL is the last byte */
    assert_int_equal(o.text_used, SOURCE_TEXT_MAX);
    refused(source_take_cluster_name, "c", "more than 16384 bytes");
}

/* ---- together ---- */

static bool spread(void) {
    problem = BUF(text);
    return source_options_spread(&o, &problem);
}

static void spreads(void **state) {
    (void)state;
    taken(source_take_role, ROLE);
    taken(source_take_role, "arn:aws:iam::123456789012:role/last");
    taken(source_take_session_name, "name");
    taken(source_take_source_identity, "me");
    taken(source_take_duration, "30m");
    taken(source_take_external_id, "ext");
    taken(source_take_tag, "k=v");
    assert_true(spread());
    assert_string_equal(o.roles[0].arn, ROLE);
    assert_string_equal(o.roles[1].arn, "arn:aws:iam::123456789012:role/last");
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(o.roles[i].session_name, "name");
        assert_string_equal(o.roles[i].source_identity, "me");
        assert_int_equal(o.roles[i].duration_s, 1800);
        assert_int_equal(o.roles[i].tag_count, i);
        assert_true((o.roles[i].external_id != NULL) == (i == 1));
    }
    assert_string_equal(o.base.session_name, "name");
    assert_null(o.base.external_id);
    assert_int_equal(o.base.duration_s, 0);
}

static void needs_a_role(void **state) {
    static const struct {
        option_take *option;
        const char *value;
    } options[] = {{source_take_external_id, "ext"},
                   {source_take_tag, "k=v"},
                   {source_take_transitive, "k"},
                   {source_take_source_identity, "me"}};
    for (size_t i = 0; i < COUNT(options); i++) {
        fresh(state);
        taken(options[i].option, options[i].value);
        assert_false(spread());
        assert_non_null(strstr(text, "need --assume-role"));
        taken(source_take_role, ROLE);
        assert_true(spread());
    }
    fresh(state);
    taken(source_take_duration, "1h");
    assert_true(spread()); /* for web identity */
    assert_int_equal(o.base.duration_s, 3600);
    o.kind = SOURCE_POD_IDENTITY;
    assert_false(spread());
    assert_non_null(strstr(text, "the association decides"));
    o.base.duration_s = 0;
    assert_true(spread());
    o.base.policy = "{}";
    assert_false(spread());
}

static void goes_together(void **state) {
    (void)state;
    taken(source_take_role, ROLE);
    taken(source_take_duration, "3601s");
    assert_false(spread());
    assert_non_null(strstr(text, ROLE " is assumed with"));
    fresh(state);
    taken(source_take_role, ROLE);
    taken(source_take_duration, "1h");
    assert_true(spread());
    fresh(state);
    o.kind = SOURCE_EKS_AUTH;
    assert_false(spread());
    assert_non_null(strstr(text, "needs --cluster-name"));
    taken(source_take_cluster_name, "demo");
    assert_true(spread());
    o.kind = SOURCE_AUTO;
    assert_false(spread());
    assert_non_null(strstr(text, "is for --source=eks-auth"));
}

static const char *first_value, *second_value;

static const char *lookup(const char *name) {
    return strcmp(name, "AWS_CA_BUNDLE") == 0   ? first_value
           : strcmp(name, "SSL_CERT_FILE") == 0 ? second_value
                                                : NULL;
}

static void authorities(void **state) {
    (void)state;
    first_value = second_value = NULL;
    assert_string_equal(source_ca_file(&o, lookup), "/etc/ssl/certs/ca-certificates.crt");
    second_value = "/second";
    assert_string_equal(source_ca_file(&o, lookup), "/second");
    first_value = "";
    assert_string_equal(source_ca_file(&o, lookup), "/second");
    first_value = "/first";
    assert_string_equal(source_ca_file(&o, lookup), "/first");
    o.ca_bundle = "/option";
    assert_string_equal(source_ca_file(&o, lookup), "/option");
    assert_string_equal(source_text(NULL), "");
    assert_string_equal(source_text("x"), "x");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup(f, fresh)
    const struct CMUnitTest tests[] = {
        TEST(choices),       TEST(texts_of_a_role), TEST(durations),
        TEST(tags),          TEST(transitive_keys), TEST(own_settings_are_the_last_role_s),
        TEST(policies),      TEST(settings_of_aws), TEST(a_chain_has_an_end),
        TEST(spreads),       TEST(needs_a_role),    TEST(all_texts_have_a_limit),
        TEST(goes_together), TEST(authorities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
