#include "tests/unit/unit.h"

#include "common/base/timefmt.h"
#include "common/pod/credentials.h"
#include "common/text/json.h"

#define KEYS                                                                                                 \
    "\"AccessKeyId\":\"ASIAEXAMPLEKEYID1234\",\"SecretAccessKey\":\"wJalrXUtnFEMI/"                          \
    "K7MDENG+bPxRfiCYEXAMPLEKEY\""
#define GOOD "{" KEYS ",\"Token\":\"IQoJb3JpZ2luX2VjEXAMPLE==\",\"Expiration\":\"2026-11-23T12:00:00.75Z\"}"

static struct credentials c;
static const char *field;

static enum err parse(const char *json) {
    size_t len = strlen(json);
    field = NULL;
    return credentials_parse(guarded(json, len), len, &c, &field);
}

static void an_answer_is_read(void **state) {
    (void)state;
    assert_int_equal(parse(GOOD), ERR_OK);
    assert_string_equal(c.access_key_id, "ASIAEXAMPLEKEYID1234");
    assert_string_equal(c.secret_access_key, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    assert_string_equal(c.session_token, "IQoJb3JpZ2luX2VjEXAMPLE==");
    assert_string_equal(c.account_id, "");
    assert_int_equal(c.expires_ms, INT64_C(1795435200000));
    assert_int_equal(parse("{" KEYS
                           ",\"Token\":\"t\",\"AccountId\":\"012345678901\",\"RoleArn\":\"x\",\"Extra\":{},"
                           "\"Expiration\":\"2026-11-23T12:00:00Z\"}"),
                     ERR_OK);
    assert_string_equal(c.account_id, "012345678901");
    assert_int_equal(
        parse("{" KEYS ",\"Token\":\"t\",\"AccountId\":\"\",\"Expiration\":\"2026-11-23T12:00:00Z\"}"),
        ERR_OK);
    assert_string_equal(c.account_id, "");
    assert_int_equal(
        parse("{" KEYS ",\"Token\":\"t\",\"AccountId\":null,\"Expiration\":\"2026-11-23T12:00:00Z\"}"),
        ERR_OK);
}

#define REST ",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"2026-11-23T12:00:00Z\"}"
#define TIME(t) "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":" t "}"
#define TOKEN(t)                                                                                             \
    "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"s\",\"Expiration\":\"2026-11-23T12:00:00Z\",\"Token\":" t  \
    "}"
#define ACCOUNT(t) "{\"AccountId\":" t ",\"AccessKeyId\":\"a\"" REST

static void every_wrong_part_is_named(void **state) {
    (void)state;
    static const struct {
        const char *json, *field;
        enum err result;
    } table[] = {
        {"", "the answer (JSON)", ERR_EMPTY},
        {"\n", "the answer (JSON)", ERR_EMPTY},
        {"<html>", "the answer (JSON)", ERR_SYNTAX},
        {"{" KEYS, "the answer (JSON)", ERR_SYNTAX},
        {GOOD GOOD, "the answer (JSON)", ERR_SYNTAX},
        {"[[[[[[[[[[[[[[[[[[[[", "the answer (JSON)", ERR_TOO_DEEP},
        {"null", "the answer (a JSON object)", ERR_TYPE},
        {"[]", "the answer (a JSON object)", ERR_TYPE},
        {"\""
         "x"
         "\"",
         "the answer (a JSON object)", ERR_TYPE},
        {"{}", "AccessKeyId", ERR_MISSING},
        {"{\"accesskeyid\":\"a\"" REST, "AccessKeyId", ERR_MISSING},
        {"{\"AccessKeyId\":null" REST, "AccessKeyId", ERR_MISSING},
        {"{\"AccessKeyId\":\"\"" REST, "AccessKeyId", ERR_EMPTY},
        {"{\"AccessKeyId\":7" REST, "AccessKeyId", ERR_TYPE},
        {"{\"AccessKeyId\":[\"a\"]" REST, "AccessKeyId", ERR_TYPE},
        {"{\"AccessKeyId\":\"a b\"" REST, "AccessKeyId", ERR_CONTROL},
        {"{\"AccessKeyId\":\"a\\nb\"" REST, "AccessKeyId", ERR_CONTROL},
        {"{\"AccessKeyId\":\"a\\\"b\"" REST, "AccessKeyId", ERR_CONTROL},
        {"{\"AccessKeyId\":\"a\\\\b\"" REST, "AccessKeyId", ERR_CONTROL},
        {"{\"AccessKeyId\":\"\xc3\xa9\"" REST, "AccessKeyId", ERR_CONTROL},
        {"{\"AccessKeyId\":\"\\u007f\"" REST, "AccessKeyId", ERR_CONTROL},
        {"{\"AccessKeyId\":\"a\"}", "SecretAccessKey", ERR_MISSING},
        {"{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"s\",\"Expiration\":\"2026-11-23T12:00:00Z\"}", "Token",
         ERR_MISSING},
        {TOKEN("\"a\\r\\nX: y\""), "Token", ERR_CONTROL},
        {TIME("null"), "Expiration", ERR_MISSING},
        {TIME("\"\""), "Expiration", ERR_EMPTY},
        {TIME("1795435200"), "Expiration", ERR_TYPE},
        {TIME("\"tomorrow\""), "Expiration", ERR_SYNTAX},
        {TIME("\"2026-02-30T00:00:00Z\""), "Expiration", ERR_RANGE},
        {TIME("\"0001-01-01T00:00:00Z\""), "Expiration", ERR_RANGE},
        {ACCOUNT("12345678901"), "AccountId", ERR_TYPE},
        {ACCOUNT("\"12345678901\""), "AccountId", ERR_SYNTAX},
        {ACCOUNT("\"1234567890123\""), "AccountId", ERR_SYNTAX},
        {ACCOUNT("\"12345678901x\""), "AccountId", ERR_SYNTAX},
    };
    static const struct credentials zero;
    for (size_t i = 0; i < COUNT(table); i++) {
        enum err e = parse(table[i].json);
        if (e != table[i].result || field == NULL || strcmp(field, table[i].field) != 0)
            fail_msg("%s gave %d for %s", table[i].json, (int)e, field);
        assert_memory_equal(&c, &zero, sizeof c); /* nothing half-read is left */
    }
}

static void every_beginning_of_an_answer_is_refused(void **state) {
    (void)state;
    for (size_t len = 0; len < sizeof GOOD - 1; len++)
        assert_int_not_equal(credentials_parse(guarded(GOOD, len), len, &c, &field), ERR_OK);
}

static const char *answer_with_token_of(size_t len) {
    static char json[20000], token[17000];
    memset(token, 't', len);
    token[len] = '\0';
    snprintf(json, sizeof json, TOKEN("\"%s\""), token);
    return json;
}

static void a_token_of_the_largest_size_and_one_more(void **state) {
    (void)state;
    assert_int_equal(parse(answer_with_token_of(CREDENTIALS_TOKEN_MAX - 1)), ERR_OK);
    assert_int_equal(strlen(c.session_token), CREDENTIALS_TOKEN_MAX - 1);
    assert_int_equal(parse(answer_with_token_of(CREDENTIALS_TOKEN_MAX)), ERR_TOO_LONG);
    assert_string_equal(field, "Token");
    assert_int_equal(parse(answer_with_token_of(16900)), ERR_TOO_LONG);
}

/* ---- what SDKs accept (the safe subset of the container credentials protocol) ---- */

static void member_is(const struct json *root, const char *name, const char *value) {
    const char *text = json_text(json_get(root, name));
    assert_non_null(text);
    assert_string_equal(text, value);
}

/* No member beyond the known ones, each a text that is not empty. */
static void only_members(const struct json *root, size_t count) {
    assert_null(json_item(root, count));
    assert_non_null(json_item(root, count - 1));
    for (size_t i = 0; i < count; i++) {
        const char *text = json_text(json_item(root, i));
        int64_t version;
        if (text == NULL)
            assert_true(json_number(json_item(root, i), &version) && version == 1);
        else
            assert_true(*text != '\0');
    }
}

static void renderings_are_what_every_sdk_accepts(void **state) {
    (void)state;
    for (int with_account = 0; with_account < 2; with_account++) {
        char storage[CREDENTIALS_RENDERED_MAX];
        struct buf out = BUF(storage);
        const struct json *root;
        assert_int_equal(parse(GOOD), ERR_OK);
        if (with_account)
            strcpy(c.account_id, "012345678901");
        credentials_render_container(&c, &out);
        assert_false(out.overflow);
        assert_null(strpbrk(out.data, "\r\n"));
        assert_int_equal(json_open(out.data, out.len, &root), ERR_OK);
        member_is(root, "AccessKeyId", c.access_key_id);
        member_is(root, "SecretAccessKey", c.secret_access_key);
        member_is(root, "Token", c.session_token);
        member_is(root, "Expiration",
                  "2026-11-23T12:00:00Z"); /* whole seconds, and never later than the truth */
        assert_null(json_get(root, "Code"));
        only_members(root, with_account ? 5 : 4);
        json_close();
        buf_reset(&out);
        credentials_render_process(&c, &out);
        assert_int_equal(json_open(out.data, out.len, &root), ERR_OK);
        member_is(root, "SessionToken", c.session_token);
        member_is(root, "Expiration", "2026-11-23T12:00:00Z");
        assert_null(json_get(root, "Token"));
        only_members(root, with_account ? 6 : 5);
        json_close();
        /* Some readers look for the number by its text, ahead of everything else. */
        assert_memory_equal(out.data, "{\"Version\":1,", 13);
    }
}

static void a_rendered_answer_is_read_as_the_same_credentials(void **state) {
    (void)state;
    char storage[CREDENTIALS_RENDERED_MAX];
    struct buf out = BUF(storage);
    struct credentials again = {.expires_ms = 0};
    assert_int_equal(parse(GOOD), ERR_OK);
    credentials_render_container(&c, &out);
    assert_int_equal(credentials_parse(out.data, out.len, &again, &field), ERR_OK);
    assert_int_equal(again.expires_ms, c.expires_ms / 1000 * 1000);
    again.expires_ms = c.expires_ms;
    assert_memory_equal(&again, &c, sizeof c);
}

static void a_profile_has_one_key_a_line(void **state) {
    (void)state;
    char storage[CREDENTIALS_RENDERED_MAX];
    struct buf out = BUF(storage);
    assert_int_equal(parse(GOOD), ERR_OK);
    credentials_render_profile(&c, &out);
    assert_string_equal(out.data, "aws_access_key_id = ASIAEXAMPLEKEYID1234\n"
                                  "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n"
                                  "aws_session_token = IQoJb3JpZ2luX2VjEXAMPLE==\n"
                                  "x_security_token_expires = 2026-11-23T12:00:00Z\n");
    strcpy(c.account_id, "012345678901");
    buf_reset(&out);
    credentials_render_profile(&c, &out);
    assert_non_null(strstr(out.data, "==\naws_account_id = 012345678901\nx_sec"));
}

/* The CRT refuses bodies of 10,000 bytes: the largest credentials that are taken must stay below. */
static void the_largest_credentials_fit_every_rendering(void **state) {
    (void)state;
    char storage[CREDENTIALS_RENDERED_MAX];
    memset(&c, 0, sizeof c);
    memset(c.access_key_id, '<', sizeof c.access_key_id - 1);
    memset(c.secret_access_key, '&', sizeof c.secret_access_key - 1);
    memset(c.session_token, '/', sizeof c.session_token - 1);
    memset(c.account_id, '9', sizeof c.account_id - 1);
    c.expires_ms = INT64_C(253402300799999);
    void (*const render[])(const struct credentials *, struct buf *) = {
        credentials_render_container, credentials_render_process, credentials_render_profile};
    for (size_t i = 0; i < COUNT(render); i++) {
        struct buf out = BUF(storage);
        render[i](&c, &out);
        assert_false(out.overflow);
        assert_true(out.len < 10000);
    }
}

static void a_short_id_shows_eight_characters_at_most(void **state) {
    (void)state;
    char out[CREDENTIALS_SHORT_ID_MAX];
    memset(&c, 0, sizeof c);
    strcpy(c.access_key_id, "ASIAEXAMPLEKEYID1234");
    credentials_short_id(&c, out);
    assert_string_equal(out, "ASIA...1234");
    strcpy(c.access_key_id, "ASIAEXAMPLE");
    credentials_short_id(&c, out);
    assert_string_equal(out, "");
}

static void wiping_leaves_no_text(void **state) {
    (void)state;
    static const struct credentials zero;
    assert_int_equal(parse(GOOD), ERR_OK);
    credentials_wipe(&c);
    assert_memory_equal(&c, &zero, sizeof c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read),
        cmocka_unit_test(every_wrong_part_is_named),
        cmocka_unit_test(every_beginning_of_an_answer_is_refused),
        cmocka_unit_test(a_token_of_the_largest_size_and_one_more),
        cmocka_unit_test(renderings_are_what_every_sdk_accepts),
        cmocka_unit_test(a_rendered_answer_is_read_as_the_same_credentials),
        cmocka_unit_test(a_profile_has_one_key_a_line),
        cmocka_unit_test(the_largest_credentials_fit_every_rendering),
        cmocka_unit_test(a_short_id_shows_eight_characters_at_most),
        cmocka_unit_test(wiping_leaves_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
