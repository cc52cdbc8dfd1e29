#include "tests/unit/unit.h"

#include "common/text/uri.h"

static const struct {
    const char *text;
    enum err result;
    enum uri_host kind;
    const char *host;
    uint16_t port;
    const char *path;
    bool allowed;
} uris[] = {
    {"http://169.254.170.23/v1/credentials", ERR_OK, URI_HOST_EKS_V4, "169.254.170.23", 80, "/v1/credentials",
     true},
    {"http://[fd00:ec2::23]/v1/credentials", ERR_OK, URI_HOST_EKS_V6, "fd00:ec2::23", 80, "/v1/credentials",
     true},
    {"http://[FD00:0EC2:0:0:0:0:0:23]:80/x?a=b", ERR_OK, URI_HOST_EKS_V6, "fd00:0ec2:0:0:0:0:0:23", 80,
     "/x?a=b", true},
    {"HTTP://127.0.0.1:8080", ERR_OK, URI_HOST_LOOPBACK, "127.0.0.1", 8080, "", true},
    {"http://127.255.255.254/", ERR_OK, URI_HOST_LOOPBACK, "127.255.255.254", 80, "/", true},
    {"http://[::1]:1/", ERR_OK, URI_HOST_LOOPBACK, "::1", 1, "/", true},
    {"http://169.254.170.2/v2", ERR_OK, URI_HOST_ECS, "169.254.170.2", 80, "/v2", true},
    {"https://Example.COM:8443?x", ERR_OK, URI_HOST_NAME, "example.com", 8443, "?x", true},
    {"https://10.0.0.1/", ERR_OK, URI_HOST_OTHER_ADDRESS, "10.0.0.1", 443, "/", true},
    {"http://10.0.0.1/", ERR_OK, URI_HOST_OTHER_ADDRESS, "10.0.0.1", 80, "/", false},
    {"http://169.254.169.254/", ERR_OK, URI_HOST_OTHER_ADDRESS, "169.254.169.254", 80, "/", false},
    {"http://169.254.170.230/", ERR_OK, URI_HOST_OTHER_ADDRESS, "169.254.170.230", 80, "/", false},
    {"http://[fd00:ec2::24]/", ERR_OK, URI_HOST_OTHER_ADDRESS, "fd00:ec2::24", 80, "/", false},
    {"http://[::ffff:127.0.0.1]/", ERR_OK, URI_HOST_OTHER_ADDRESS, "::ffff:127.0.0.1", 80, "/", false},
    {"http://[::]/", ERR_OK, URI_HOST_OTHER_ADDRESS, "::", 80, "/", false},
    {"http://0.0.0.0/", ERR_OK, URI_HOST_OTHER_ADDRESS, "0.0.0.0", 80, "/", false},
    {"http://169.254.170.23.example.com/", ERR_OK, URI_HOST_NAME, "169.254.170.23.example.com", 80, "/",
     false},
    {"http://127.0.0.1.nip.io/", ERR_OK, URI_HOST_NAME, "127.0.0.1.nip.io", 80, "/", false},
    /* what some resolvers take for an address and others do not */
    {"http://2852039191/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http://0251.0376.0252.027/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http://0xa9feaa17/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http://127.1/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http://127.0.0.1./", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http://[fe80::1%25eth0]/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http://[127.0.0.1]/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http://::1/", ERR_MISSING, 0, NULL, 0, NULL, false},
    {"http://[::1/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http://[::1]x/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http://exa%6dple.com/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    /* user information, fragments, and what makes parsers disagree about where the host ends */
    {"http://127.0.0.1@evil.example/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http://user:pw@127.0.0.1/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http://evil.example#@127.0.0.1/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http://evil.example\\@127.0.0.1/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http://127.0.0.1/a#b", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http://127.0.0.1/a\"b", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http://127.0.0.1/@", ERR_OK, URI_HOST_LOOPBACK, "127.0.0.1", 80, "/@", true},
    {"http://127.0.0.1:0/", ERR_RANGE, 0, NULL, 0, NULL, false},
    {"http://127.0.0.1:65535/", ERR_OK, URI_HOST_LOOPBACK, "127.0.0.1", 65535, "/", true},
    {"http://127.0.0.1:65536/", ERR_RANGE, 0, NULL, 0, NULL, false},
    {"http://127.0.0.1:99999999999999999999/", ERR_RANGE, 0, NULL, 0, NULL, false},
    {"http://127.0.0.1:/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http://127.0.0.1:+80/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http://127.0.0.1:80:80/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http:///v1", ERR_MISSING, 0, NULL, 0, NULL, false},
    {"http://:80/", ERR_MISSING, 0, NULL, 0, NULL, false},
    {"", ERR_EMPTY, 0, NULL, 0, NULL, false},
    {"/v1/credentials", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"http:/127.0.0.1/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"ftp://127.0.0.1/", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {"file:///etc/passwd", ERR_SYNTAX, 0, NULL, 0, NULL, false},
    {" http://127.0.0.1/", ERR_CONTROL, 0, NULL, 0, NULL, false},
    {"http://127.0.0.1/ x", ERR_CONTROL, 0, NULL, 0, NULL, false},
    {"http://127.0.0.1/\r\nX: y", ERR_CONTROL, 0, NULL, 0, NULL, false},
    {"http://127.0.0.1/\xc3\xa9", ERR_CONTROL, 0, NULL, 0, NULL, false},
};

static void table_of_uris(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(uris); i++) {
        struct uri u;
        enum err e = uri_parse(guarded(uris[i].text, strlen(uris[i].text) + 1), &u);
        if (e != uris[i].result)
            fail_msg("%s gave %d", uris[i].text, (int)e);
        if (e != ERR_OK)
            continue;
        if (u.kind != uris[i].kind || uri_allowed_by_sdks(&u) != uris[i].allowed)
            fail_msg("%s: kind %d, allowed %d", uris[i].text, (int)u.kind, uri_allowed_by_sdks(&u));
        assert_string_equal(u.text, uris[i].text);
        assert_string_equal(u.host, uris[i].host);
        assert_int_equal(u.port, uris[i].port);
        assert_string_equal(u.path, uris[i].path);
        assert_true(u.path >= u.text && u.path <= u.text + URI_TEXT_MAX);
    }
}

/* Only numbers within the four ranges are local, whatever the address looks like. */
static void localhost_is_local_by_definition(void **state) {
    (void)state;
    struct uri u;
    assert_int_equal(uri_parse("http://LocalHost:80/x", &u), ERR_OK);
    assert_int_equal(u.kind, URI_HOST_LOCALHOST);
    assert_true(uri_is_local(&u) && uri_allowed_by_sdks(&u));
    assert_int_equal(uri_parse("http://localhost.example.com/", &u), ERR_OK);
    assert_false(uri_is_local(&u) || uri_allowed_by_sdks(&u));
}

static void the_agent_has_an_address_of_each_family(void **state) {
    (void)state;
    static const char *const table[][2] = {
        {"http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1/credentials"},
        {"http://[fd00:ec2::23]:81/x?y", "http://169.254.170.23:81/x?y"},
        {"http://127.0.0.1/x", NULL},
        {"http://169.254.170.2/x", NULL},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct uri u, other;
        assert_int_equal(uri_parse(table[i][0], &u), ERR_OK);
        assert_int_equal(uri_other_family(&u, &other), table[i][1] != NULL);
        if (table[i][1] != NULL)
            assert_string_equal(other.text, table[i][1]);
    }
}

static void every_neighbour_of_the_allowed_addresses(void **state) {
    (void)state;
    for (int position = 0; position < 4; position++) {
        for (int value = 0; value < 256; value++) {
            int a[4] = {169, 254, 170, 23};
            char text[64];
            struct uri u;
            a[position] = value;
            snprintf(text, sizeof text, "http://%d.%d.%d.%d/", a[0], a[1], a[2], a[3]);
            assert_int_equal(uri_parse(text, &u), ERR_OK);
            bool expected =
                a[0] == 127 || (a[0] == 169 && a[1] == 254 && a[2] == 170 && (a[3] == 2 || a[3] == 23));
            assert_int_equal(uri_is_local(&u), expected);
        }
    }
}

static void lengths_at_the_limits(void **state) {
    (void)state;
    static char text[URI_TEXT_MAX + 2];
    struct uri u;
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "http://127.0.0.1/", 17);
    text[URI_TEXT_MAX] = '\0';
    assert_int_equal(uri_parse(text, &u), ERR_OK);
    struct uri v4, v6; /* the longest has a counterpart, too */
    memcpy(text, "http://" URI_EKS_V4 "/", strlen("http://" URI_EKS_V4 "/"));
    assert_int_equal(uri_parse(text, &v4), ERR_OK);
    assert_true(uri_other_family(&v4, &v6) && v6.ipv6);
    assert_int_equal(strlen(v6.text), URI_TEXT_MAX);
    assert_true(uri_other_family(&v6, &u));
    assert_string_equal(u.text, text);
    text[URI_TEXT_MAX] = 'a';
    text[URI_TEXT_MAX + 1] = '\0';
    assert_int_equal(uri_parse(text, &u), ERR_TOO_LONG);
    memset(text, 'a', 8 + URI_HOST_MAX);
    memcpy(text, "https://", 8);
    text[8 + URI_HOST_MAX - 1] = '\0';
    assert_int_equal(uri_parse(text, &u), ERR_OK);
    text[8 + URI_HOST_MAX - 1] = 'a';
    text[8 + URI_HOST_MAX] = '\0';
    assert_int_equal(uri_parse(text, &u), ERR_TOO_LONG);
}

static void listening_addresses(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum err result;
        bool ipv6;
        uint16_t port;
    } table[] = {
        {"127.0.0.1:8080", ERR_OK, false, 8080},  {"127.0.0.1:0", ERR_OK, false, 0},
        {"127.9.8.7:1", ERR_RANGE, false, 0},     {"[::1]:65535", ERR_OK, true, 65535},
        {"0.0.0.0:80", ERR_RANGE, false, 0},      {"[::]:80", ERR_RANGE, false, 0},
        {"10.0.0.1:80", ERR_RANGE, false, 0},     {"169.254.170.23:80", ERR_RANGE, false, 0},
        {"localhost:80", ERR_RANGE, false, 0},    {"[::ffff:127.0.0.1]:80", ERR_RANGE, false, 0},
        {"127.0.0.1:65536", ERR_RANGE, false, 0}, {"127.0.0.1", ERR_MISSING, false, 0},
        {"[::1]", ERR_MISSING, false, 0},         {":80", ERR_MISSING, false, 0},
        {"127.0.0.1:", ERR_SYNTAX, false, 0},     {"127.0.0.1:8o", ERR_SYNTAX, false, 0},
        {"127.0.0.1:80 ", ERR_SYNTAX, false, 0},  {"", ERR_EMPTY, false, 0},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        bool ipv6;
        unsigned char address[16];
        uint16_t port = 1;
        enum err e = uri_parse_loopback(table[i].text, &ipv6, address, &port);
        if (e != table[i].result)
            fail_msg("%s gave %d", table[i].text, (int)e);
        if (e == ERR_OK) {
            assert_int_equal(ipv6, table[i].ipv6);
            assert_int_equal(port, table[i].port);
            assert_int_equal(address[0], ipv6 ? 0 : 127);
        }
    }
}

static void what_is_shown_of_a_url_holds_no_password(void **state) {
    (void)state;
    static const char *const table[][2] = {
        {"http://169.254.170.23/v1/credentials", "http://169.254.170.23/v1/credentials"},
        {"http://[fd00:ec2::23]:8080/v1", "http://[fd00:ec2::23]:8080/v1"},
        {"https://sts.example", "https://sts.example"},
        {"http://h/p?token=abc", "http://h/p?[redacted]"},
        {"http://h#abc", "http://h?[redacted]"},
        {"http://joe:Pa55w0rd@proxy.corp:3128", "http://[redacted]@proxy.corp:3128"},
        {"http://joe:Pa55#w0rd@proxy.corp:3128", "http://[redacted]@proxy.corp:3128"},
        {"http://joe:Pa55/w0rd@proxy.corp:3128/x", "http://[redacted]@proxy.corp:3128"},
        {"http://joe:Pa55?w0rd@proxy.corp:3128", "http://[redacted]@proxy.corp:3128"},
        {"http://joe:Pa55 w0rd@proxy.corp:3128", "http://[redacted]@proxy.corp:3128"},
        {"http://joe:P@55@proxy.corp:99999", "http://[redacted]@proxy.corp:99999"},
        {"http://joe:Pa55w0rd%40proxy.corp:3128", "http://[redacted]@proxy.corp:3128"},
        {"http://joe:Pa55w0rd", "http://joe:[redacted]"},
        {"joe:Pa55w0rd@proxy.corp:3128", "[redacted]@proxy.corp:3128"},
        {"proxy.corp:3128", "proxy.corp:3128"},
        {"http://joe:pw@", "http://[redacted]@"},
        {"http://h:/x", "http://h:[redacted]/x"},
        {"http://h:80a/x", "http://h:[redacted]/x"},
        {"http://[::1", "http://[::1"},
        {"://x", "://x"},
        {"nonsense", "nonsense"},
        {"", ""},
        {"http://h/\x1b[31m\n", "http://h/?[31m?"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char storage[512];
        struct buf out = BUF(storage);
        uri_show(table[i][0], &out);
        assert_string_equal(storage, table[i][1]);
    }
    static char text[5000], storage[4096];
    memset(text, 'h', sizeof text - 1);
    struct buf out = BUF(storage);
    uri_show(text, &out);
    assert_true(!out.overflow && out.len <= URI_SHOWN_MAX + 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shown_of_a_url_holds_no_password),
        cmocka_unit_test(table_of_uris),
        cmocka_unit_test(localhost_is_local_by_definition),
        cmocka_unit_test(the_agent_has_an_address_of_each_family),
        cmocka_unit_test(every_neighbour_of_the_allowed_addresses),
        cmocka_unit_test(lengths_at_the_limits),
        cmocka_unit_test(listening_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
