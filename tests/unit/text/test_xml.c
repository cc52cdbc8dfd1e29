/* The extractor for STS's answers: what it finds, and every kind of document that it refuses. */
#include "tests/unit/unit.h"

#include "common/text/xml.h"

#define NS "xmlns=\"" XML_NAMESPACE_STS "\""
#define GOOD                                                                                                 \
    "<AssumeRoleResponse " NS ">\n  <AssumeRoleResult>\n    <AssumedRoleUser><Arn>arn:aws:sts::1:r/s</Arn>"  \
    "</AssumedRoleUser>\n    <Credentials>\n      <AccessKeyId>ASIA1</AccessKeyId>\n"                        \
    "      <SessionToken>a+b/c=</SessionToken>\n    </Credentials>\n  </AssumeRoleResult>\n"                 \
    "  <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>\n</AssumeRoleResponse>\n"
#define KEY_PATH "AssumeRoleResponse/AssumeRoleResult/Credentials/AccessKeyId"

static enum err check(const char *text) {
    size_t len = strlen(text);
    return xml_check(guarded(text, len), len, XML_NAMESPACE_STS);
}

static enum err text_of(const char *text, const char *path, char *out, size_t cap) {
    size_t len = strlen(text);
    return xml_text(guarded(text, len), len, path, out, cap);
}

static void finds(void **state) {
    (void)state;
    char out[64];
    assert_int_equal(check(GOOD), ERR_OK);
    assert_int_equal(text_of(GOOD, KEY_PATH, out, sizeof out), ERR_OK);
    assert_string_equal(out, "ASIA1");
    assert_int_equal(
        text_of(GOOD, "AssumeRoleResponse/AssumeRoleResult/Credentials/SessionToken", out, sizeof out),
        ERR_OK);
    assert_string_equal(out, "a+b/c=");
    assert_int_equal(text_of(GOOD, "AssumeRoleResponse/ResponseMetadata/RequestId", out, sizeof out), ERR_OK);
    assert_string_equal(out, "1");
    assert_int_equal(text_of(GOOD, "AssumeRoleResponse/AssumeRoleResult/Credentials", out, sizeof out),
                     ERR_TYPE);
    assert_int_equal(text_of(GOOD, "AssumeRoleResponse/Credentials/AccessKeyId", out, sizeof out),
                     ERR_MISSING);
    assert_int_equal(text_of(GOOD, "AccessKeyId", out, sizeof out), ERR_MISSING);
    assert_int_equal(text_of(GOOD, KEY_PATH, out, 5), ERR_TOO_LONG);
    assert_string_equal(out, "");
    assert_int_equal(text_of(GOOD, KEY_PATH, out, 6), ERR_OK);
}

static const struct {
    const char *what, *text;
    enum err error;
} documents[] = {
    {"nothing", "", ERR_EMPTY},
    {"blanks", " \r\n\t", ERR_EMPTY},
    {"a declaration alone", "<?xml version=\"1.0\"?>", ERR_SYNTAX},
    {"a declaration", "<?xml version=\"1.0\" encoding='utf-8'?>\n<a " NS "/>", ERR_OK},
    {"an empty root", "<a " NS "></a>", ERR_OK},
    {"comments", "<!-- a --><a " NS "><!-- <b> & --></a><!---->", ERR_OK},
    {"single quotes", "<a xmlns='" XML_NAMESPACE_STS "' b = 'c'/>", ERR_OK},
    {"another encoding", "<?xml version=\"1.0\" encoding=\"UTF-16\"?><a " NS "/>", ERR_TYPE},
    {"no namespace", "<a/>", ERR_TYPE},
    {"another namespace", "<a xmlns=\"https://example.com/\"/>", ERR_TYPE},
    {"a longer namespace", "<a xmlns=\"" XML_NAMESPACE_STS "x\"/>", ERR_TYPE},
    {"a child that changes it", "<a " NS "><b xmlns=\"x\"/></a>", ERR_TYPE},
    {"the namespace twice", "<a " NS " " NS "/>", ERR_SYNTAX},
    {"a prefix", "<s:a xmlns:s=\"" XML_NAMESPACE_STS "\"/>", ERR_SYNTAX},
    {"a document type", "<!DOCTYPE a><a " NS "/>", ERR_SYNTAX},
    {"an entity bomb", "<!DOCTYPE a [<!ENTITY b \"&c;&c;\">]><a " NS ">&b;</a>", ERR_SYNTAX},
    {"an unknown entity", "<a " NS ">&nbsp;</a>", ERR_SYNTAX},
    {"an ampersand alone", "<a " NS ">a & b</a>", ERR_SYNTAX},
    {"CDATA", "<a " NS "><![CDATA[x]]></a>", ERR_SYNTAX},
    {"the end of CDATA", "<a " NS ">]]></a>", ERR_SYNTAX},
    {"a processing instruction", "<a " NS "><?php ?></a>", ERR_SYNTAX},
    {"two roots", "<a " NS "/><a " NS "/>", ERR_SYNTAX},
    {"text behind the root", "<a " NS "/>x", ERR_SYNTAX},
    {"text ahead of the root", "x<a " NS "/>", ERR_SYNTAX},
    {"a byte order mark", "\xEF\xBB\xBF<a " NS "/>", ERR_SYNTAX},
    {"crossed elements", "<a " NS "><b><c></b></c></a>", ERR_SYNTAX},
    {"never closed", "<a " NS "><b></b>", ERR_SYNTAX},
    {"closed too often", "<a " NS "></a></a>", ERR_SYNTAX},
    {"no quotes", "<a " NS " b=c/>", ERR_SYNTAX},
    {"no blank between attributes", "<a b=\"1\"" NS "/>", ERR_SYNTAX},
    {"an attribute with <", "<a " NS " b=\"<\"/>", ERR_SYNTAX},
    {"a name of digits", "<1 " NS "/>", ERR_SYNTAX},
    {"two dashes in a comment", "<a " NS "><!-- a -- b --></a>", ERR_SYNTAX},
    {"a control character", "<a " NS ">\x01</a>", ERR_CONTROL},
    {"one by reference", "<a " NS ">&#1;</a>", ERR_CONTROL},
    {"NUL by reference", "<a " NS ">&#0;</a>", ERR_SYNTAX},
    {"a surrogate", "<a " NS ">&#xD800;</a>", ERR_SYNTAX},
    {"beyond Unicode", "<a " NS ">&#x110000;</a>", ERR_SYNTAX},
    {"no digits", "<a " NS ">&#x;</a>", ERR_SYNTAX},
    {"Latin-1 under a UTF-8 name", "<a " NS ">\xE9</a>", ERR_TYPE},
    {"an overlong form", "<a " NS ">\xC0\x80</a>", ERR_TYPE},
    {"half a character", "<a " NS ">\xE2\x82</a>", ERR_TYPE},
    {"a surrogate in UTF-8", "<a " NS ">\xED\xA0\x80</a>", ERR_TYPE},
    {"UTF-8", "<a " NS ">\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80</a>", ERR_OK},
    {"UTF-16", "\xFF\xFE<", ERR_TYPE},
    {"a control character in an attribute", "<a " NS " b=\"\x01\"/>", ERR_CONTROL},
    {"a control character in a comment", "<a " NS "><!--\x02--></a>", ERR_CONTROL},
    {"JSON", "{\"a\":1}", ERR_SYNTAX},
    {"HTML", "<html><body>Sign in</body></html>", ERR_TYPE},
};

static void table_of_documents(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(documents); i++) {
        if (check(documents[i].text) != documents[i].error)
            fail_msg("%s: %s", documents[i].what, err_text(check(documents[i].text)));
    }
}

static void references(void **state) {
    (void)state;
    static const struct {
        const char *in, *out;
        enum err error;
    } table[] = {
        {"a&amp;b&lt;&gt;&quot;&apos;", "a&b<>\"'", ERR_OK},
        {"&#65;&#x42;", "AB", ERR_OK},
        {"&#xe9;&#x20AC;&#x1F600;", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", ERR_OK},
        {"  trimmed\n ", "trimmed", ERR_OK},
        {" ", "", ERR_EMPTY},
        {"a\nb", "", ERR_CONTROL},
        {"a&#10;b", "", ERR_CONTROL},
        {"a<!-- x -->b", "ab", ERR_OK},
    };
    char document[256], out[64];
    for (size_t i = 0; i < COUNT(table); i++) {
        snprintf(document, sizeof document, "<a " NS "><b>%s</b></a>", table[i].in);
        assert_int_equal(check(document), ERR_OK);
        assert_int_equal(text_of(document, "a/b", out, sizeof out), table[i].error);
        assert_string_equal(out, table[i].out);
    }
    assert_int_equal(text_of("<a " NS "><b/></a>", "a/b", out, sizeof out), ERR_EMPTY);
    assert_int_equal(text_of("<a " NS "><b>1</b><b>2</b></a>", "a/b", out, sizeof out), ERR_OK);
    assert_string_equal(out, "1");
    assert_int_equal(text_of("<a " NS "><c><b>1</b></c><b>2</b></a>", "a/b", out, sizeof out), ERR_OK);
    assert_string_equal(out, "2");
}

static void cut_at_every_byte(void **state) {
    (void)state;
    const size_t whole = strlen(GOOD) - 1; /* the newline at the end may go */
    for (size_t len = 0; len < whole; len++)
        assert_int_not_equal(xml_check(guarded(GOOD, len), len, XML_NAMESPACE_STS), ERR_OK);
}

static void depth(void **state) {
    (void)state;
    char text[1024];
    for (int deep = XML_DEPTH_MAX; deep <= XML_DEPTH_MAX + 1; deep++) {
        int at = snprintf(text, sizeof text, "<a " NS ">");
        for (int i = 1; i < deep; i++)
            at += snprintf(text + at, sizeof text - (size_t)at, "<a>");
        for (int i = 0; i < deep; i++)
            at += snprintf(text + at, sizeof text - (size_t)at, "</a>");
        assert_int_equal(check(text), deep <= XML_DEPTH_MAX ? ERR_OK : ERR_TOO_DEEP);
    }
}

static void words_may_have_several_lines(void **state) {
    (void)state;
    static const char text[] = "<A xmlns=\"" XML_NAMESPACE_STS "\"><B> one\n\ttwo\r\nthree </B></A>";
    char out[64];
    assert_int_equal(xml_check(text, sizeof text - 1, XML_NAMESPACE_STS), ERR_OK);
    assert_int_equal(xml_text(text, sizeof text - 1, "A/B", out, sizeof out), ERR_CONTROL);
    assert_string_equal(out, "");
    assert_int_equal(xml_words(text, sizeof text - 1, "A/B", out, sizeof out), ERR_OK);
    assert_string_equal(out, "one  two  three");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_may_have_several_lines),
        cmocka_unit_test(finds),
        cmocka_unit_test(table_of_documents),
        cmocka_unit_test(references),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
