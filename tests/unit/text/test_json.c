#include "tests/unit/unit.h"

#include "common/text/json.h"

static enum err open_text(const char *text, size_t len, const struct json **root) {
    *root = NULL;
    return json_open(guarded(text, len), len, root);
}

static void table_of_results(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum err result;
    } table[] = {
        {"{}", ERR_OK},
        {" \t\r\n[1, 2.5, -3e2, true, false, null, \"x\"] \n", ERR_OK},
        {"null", ERR_OK},
        {"\"\\ud83d\\ude00\"", ERR_OK},
        {"", ERR_EMPTY},
        {" \t\r\n", ERR_EMPTY},
        {"{", ERR_SYNTAX},
        {"}", ERR_SYNTAX},
        {"{}}", ERR_SYNTAX},
        {"{} {}", ERR_SYNTAX},
        {"{}x", ERR_SYNTAX},
        {"{\"a\":1,}", ERR_SYNTAX},
        {"[1,]", ERR_SYNTAX},
        {"[1 2]", ERR_SYNTAX},
        {"{\"a\" 1}", ERR_SYNTAX},
        {"{a:1}", ERR_SYNTAX},
        {"{'a':1}", ERR_SYNTAX},
        {"\"open", ERR_SYNTAX},
        {"\"a\nb\"", ERR_SYNTAX},
        {"\"\\u0000\"", ERR_SYNTAX},
        {"[1,\x01"
         "2]",
         ERR_SYNTAX},
        {"\"\\u00zz\"", ERR_SYNTAX}, /* a NUL for cJSON */
        {"\"\\u000\"", ERR_SYNTAX},
        {"\"\\u00", ERR_SYNTAX},
        {"\"\\u00Ef\"", ERR_OK},
        {"\"\\x41\"", ERR_SYNTAX},
        {"\"\\ud83d\"", ERR_SYNTAX},
        {"nul", ERR_SYNTAX},
        {"truefalse", ERR_SYNTAX},
        {"[\"\\\\\"]", ERR_OK},
        {"\"\\\\u0000\"", ERR_OK}, /* an escaped backslash, and four digits */
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        const struct json *root;
        enum err e = open_text(table[i].text, strlen(table[i].text), &root);
        if (e != table[i].result)
            fail_msg("%s gave %d", table[i].text, (int)e);
        assert_int_equal(root != NULL, e == ERR_OK);
        json_close();
    }
}

static void a_nul_byte_is_no_json(void **state) {
    (void)state;
    const struct json *root;
    assert_int_equal(open_text("{}\0", 3, &root), ERR_SYNTAX);
    assert_int_equal(open_text("\"a\0b\"", 5, &root), ERR_SYNTAX);
}

static void every_beginning_of_a_document_is_refused(void **state) {
    (void)state;
    static const char text[] = "{\"AccessKeyId\":\"ASIA\",\"n\":[1,2,{\"x\":null}],\"t\":\"\\u00e9\\n\"}";
    const struct json *root;
    for (size_t len = 0; len < sizeof text - 1; len++)
        assert_int_equal(open_text(text, len, &root), len == 0 ? ERR_EMPTY : ERR_SYNTAX);
    assert_int_equal(open_text(text, sizeof text - 1, &root), ERR_OK);
    json_close();
}

static enum err nested(size_t depth) {
    static char text[2 * 10001];
    const struct json *root;
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    return json_open(text, 2 * depth, &root);
}

static void depth_is_limited(void **state) {
    (void)state;
    assert_int_equal(nested(JSON_DEPTH_MAX), ERR_OK);
    assert_int_equal(nested(JSON_DEPTH_MAX + 1), ERR_TOO_DEEP);
    assert_int_equal(nested(8000), ERR_TOO_DEEP);
    assert_int_equal(nested(10000), ERR_TOO_LONG); /* 20,000 bytes */
    const struct json *root;
    static const char braces[] = "\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"";
    assert_int_equal(json_open(braces, sizeof braces - 1, &root), ERR_OK);
    json_close();
}

static void input_and_arena_are_limited(void **state) {
    (void)state;
    static char text[JSON_INPUT_MAX + 1];
    const struct json *root;
    memset(text, 'a', sizeof text);
    text[0] = '"';
    text[JSON_INPUT_MAX - 1] = '"';
    assert_int_equal(json_open(text, JSON_INPUT_MAX, &root), ERR_OK);
    assert_int_equal(strlen(json_text(root)), JSON_INPUT_MAX - 2);
    assert_int_equal(json_open(text, JSON_INPUT_MAX + 1, &root), ERR_TOO_LONG);
    /* Many small values take more memory than they have text: an error, and no crash. */
    for (size_t i = 0; i < JSON_INPUT_MAX; i++)
        text[i] = i % 2 == 0 ? ',' : '1';
    text[0] = '[';
    text[JSON_INPUT_MAX - 2] = ' ';
    text[JSON_INPUT_MAX - 1] = ']';
    assert_int_equal(json_open(text, JSON_INPUT_MAX, &root), ERR_TOO_LONG);
    assert_int_equal(json_open("{}", 2, &root), ERR_OK); /* and the next one works again */
    json_close();
}

static void values_are_found_by_exact_name_and_type(void **state) {
    (void)state;
    static const char text[] =
        "{\"a\":\"first\",\"a\":\"second\",\"A\":1,\"n\":null,\"l\":[\"x\",{}],\"o\":{\"i\":7}}";
    const struct json *root;
    int64_t number = -1;
    assert_int_equal(json_open(text, sizeof text - 1, &root), ERR_OK);
    assert_true(json_is_object(root));
    assert_string_equal(json_text(json_get(root, "a")), "first");
    assert_null(json_text(json_get(root, "A")));
    assert_true(json_number(json_get(root, "A"), &number));
    assert_int_equal(number, 1);
    assert_null(json_get(root, "b"));
    assert_true(json_is_null(json_get(root, "n")));
    assert_false(json_is_null(NULL));
    const struct json *list = json_get(root, "l");
    assert_true(json_is_array(list));
    assert_string_equal(json_text(json_item(list, 0)), "x");
    assert_true(json_is_object(json_item(list, 1)));
    assert_null(json_item(list, 2));
    assert_null(json_item(json_item(list, 0), 0));
    assert_null(json_get(list, "x"));
    assert_null(json_get(NULL, "x"));
    assert_null(json_item(NULL, 0));
    assert_null(json_text(NULL));
    assert_false(json_number(NULL, &number));
    assert_false(json_number(json_get(root, "a"), &number));
    assert_true(json_number(json_get(json_get(root, "o"), "i"), &number));
    assert_int_equal(number, 7);
    json_close();
}

static void numbers_are_bounded(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } table[] = {
        {"0", true, 0},
        {"-1", true, -1},
        {"1700000000.9", true, 1700000000},
        {"9007199254740992", true, INT64_C(9007199254740992)},
        {"-9007199254740992", true, -INT64_C(9007199254740992)},
        {"9007199254740994", false, 0},
        {"1e300", false, 0},
        {"1e999", false, 0},
        {"-1e999", false, 0},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        const struct json *root;
        int64_t value = 0;
        assert_int_equal(json_open(table[i].text, strlen(table[i].text), &root), ERR_OK);
        assert_int_equal(json_number(root, &value), table[i].ok);
        assert_int_equal(value, table[i].value);
    }
    json_close();
}

static void closing_wipes_the_document(void **state) {
    (void)state;
    const struct json *root;
    static const char text[] = "[\"wJalrXUtnFEMI\"]";
    assert_int_equal(json_open(text, sizeof text - 1, &root), ERR_OK);
    const char *copy = json_text(json_item(root, 0));
    assert_string_equal(copy, "wJalrXUtnFEMI");
    json_close(); /* the arena is static: the bytes can still be looked at */
    for (size_t i = 0; i < 13; i++)
        assert_int_equal(copy[i], 0);
    json_close();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_of_results),
        cmocka_unit_test(a_nul_byte_is_no_json),
        cmocka_unit_test(every_beginning_of_a_document_is_refused),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(input_and_arena_are_limited),
        cmocka_unit_test(values_are_found_by_exact_name_and_type),
        cmocka_unit_test(numbers_are_bounded),
        cmocka_unit_test(closing_wipes_the_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
