#include "tests/unit/unit.h"

#include "common/http/proxy.h"

#define STS "https://sts.eu-west-1.amazonaws.com"

static const char *const *environment;

static const char *lookup(const char *name) {
    for (const char *const *at = environment; *at != NULL; at += 2) {
        if (strcmp(at[0], name) == 0)
            return at[1];
    }
    return NULL;
}

static struct proxy p;
static const char *problem;

static enum err find(const char *const *env, const char *url) {
    struct uri uri;
    environment = env;
    problem = NULL;
    assert_int_equal(uri_parse(url, &uri), ERR_OK);
    return proxy_find(lookup, &uri, &p, &problem);
}
#define ENV(...) ((const char *const[]){__VA_ARGS__, NULL})

static void whether(void **state) {
    (void)state;
    static const char *const proxied = "http://proxy:3128";
    assert_int_equal(find(ENV(NULL), STS), ERR_OK);
    assert_null(p.variable);
    assert_int_equal(find(ENV("HTTPS_PROXY", proxied), STS), ERR_OK);
    assert_string_equal(p.variable, "HTTPS_PROXY");
    assert_string_equal(p.host, "proxy");
    assert_int_equal(p.port, 3128);
    assert_string_equal(p.authorization, "");
    find(ENV("HTTPS_PROXY", proxied, "https_proxy", "http://small:1"), STS);
    assert_string_equal(p.host, "small");
    find(ENV("HTTPS_PROXY", "", "ALL_PROXY", proxied), STS);
    assert_string_equal(p.variable, "ALL_PROXY");
    find(ENV("HTTP_PROXY", proxied, "http_proxy", proxied), STS);
    assert_null(p.variable);
    find(ENV("HTTP_PROXY", proxied), "http://minio.example/");
    assert_null(p.variable);
    find(ENV("http_proxy", proxied), "http://minio.example/");
    assert_string_equal(p.variable, "http_proxy");
}

static void exceptions(void **state) {
    (void)state;
    static const struct {
        const char *list, *url;
        bool proxied;
    } table[] = {
        {"", STS, true},
        {"*", STS, false},
        {"amazonaws.com", STS, false},
        {".amazonaws.com", STS, false},
        {"*.amazonaws.com", STS, false},
        {"example, .AMAZONAWS.com", STS, false},
        {"sts.eu-west-1.amazonaws.com:443", STS, false},
        {"azonaws.com", STS, true},
        {"com.", STS, true},
        {".", STS, true},
        {"eu-west-1", STS, true},
        {"10.0.0.0/8", "https://10.1.2.3/", false},
        {"10.0.0.0/8", "https://11.1.2.3/", true},
        {"[fd00::1]", "https://[fd00::1]/", false},
        {"1.2.3", "https://10.1.2.3/", true},
        /* never, whatever is set */
        {"", "https://127.0.0.1:8443/", false},
        {"", "https://localhost:8443/", false},
        {"", "https://169.254.170.23/", false},
        {"", "https://[::1]/", false},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        find(ENV("HTTPS_PROXY", "http://proxy:3128", "NO_PROXY", table[i].list), table[i].url);
        if ((p.variable != NULL) != table[i].proxied)
            fail_msg("NO_PROXY=%s for %s", table[i].list, table[i].url);
    }
    find(ENV("HTTPS_PROXY", "http://proxy:3128", "NO_PROXY", "*", "no_proxy", "example.com"), STS);
    assert_non_null(p.variable);
}

static void forms(void **state) {
    (void)state;
    static const struct {
        const char *value, *host, *authorization;
        uint16_t port;
        enum err error;
    } table[] = {
        {"proxy:3128", "proxy", "", 3128, ERR_OK},
        {"http://proxy", "proxy", "", 80, ERR_OK},
        {"HTTP://Proxy.Example:8080/", "proxy.example", "", 8080, ERR_OK},
        {"http://10.1.2.3:3128", "10.1.2.3", "", 3128, ERR_OK},
        {"http://[fd00::5]:3128", "fd00::5", "", 3128, ERR_OK},
        {"http://joe:secret@proxy:3128", "proxy", "Basic am9lOnNlY3JldA==", 3128, ERR_OK},
        {"joe:secret@proxy:3128", "proxy", "Basic am9lOnNlY3JldA==", 3128, ERR_OK},
        {"http://joe@proxy:3128", "proxy", "Basic am9lOg==", 3128, ERR_OK},
        {"http://joe:@proxy:3128", "proxy", "Basic am9lOg==", 3128, ERR_OK},
        {"http://j%6fe:p%40s%3As%23%2f%3F@proxy:3128", "proxy", "Basic am9lOnBAczpzIy8/", 3128, ERR_OK},
        {"http://joe:a:b@proxy:3128", "proxy", "Basic am9lOmE6Yg==", 3128, ERR_OK},
        {"http://DOMAIN\\joe:x>>>@proxy:3128", "proxy", "Basic RE9NQUlOXGpvZTp4Pj4+", 3128, ERR_OK},
        {"http://joe:Pa55#w0rd@proxy:3128", "", "", 0, ERR_SYNTAX},
        {"http://joe:Pa55/w0rd@proxy:3128", "", "", 0, ERR_SYNTAX},
        {"http://joe:Pa55?w0rd@proxy:3128", "", "", 0, ERR_SYNTAX},
        {"http://joe:Pa55@w0rd@proxy:3128", "", "", 0, ERR_SYNTAX},
        {"http://joe:Pa55%@proxy:3128", "", "", 0, ERR_SYNTAX},
        {"http://joe:Pa55 word@proxy:3128", "", "", 0, ERR_SYNTAX},
        {"http://joe:Pa55%4@proxy:3128", "", "", 0, ERR_SYNTAX},
        {"http://joe:Pa55%zz@proxy:3128", "", "", 0, ERR_SYNTAX},
        {"http://proxy:99999", "", "", 0, ERR_RANGE},
        {"http://proxy:x", "", "", 0, ERR_SYNTAX},
        {"http://pro xy:3128", "", "", 0, ERR_CONTROL},
        {"http://", "", "", 0, ERR_MISSING},
        {"http://joe:Pa55@", "", "", 0, ERR_MISSING},
        {"https://proxy:3128", "", "", 0, ERR_SYNTAX},
        {"socks5://proxy:1080", "", "", 0, ERR_SYNTAX},
        {"socks5h://proxy:1080", "", "", 0, ERR_SYNTAX},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        enum err e = find(ENV("HTTPS_PROXY", table[i].value), STS);
        if (e != table[i].error)
            fail_msg("%s: %d", table[i].value, e);
        assert_string_equal(p.authorization, table[i].authorization);
        if (e == ERR_OK) {
            assert_string_equal(p.host, table[i].host);
            assert_int_equal(p.port, table[i].port);
        } else {
            assert_non_null(problem);
            assert_null(strstr(problem, "Pa55"));
        }
    }
    find(ENV("HTTPS_PROXY", "https://proxy:3128"), STS);
    assert_non_null(strstr(problem, "spoken to by https://"));
    find(ENV("HTTPS_PROXY", "socks5://proxy:3128"), STS);
    assert_null(strstr(problem, "https://"));
    static char longest[2000];
    memset(longest, 'x', 511);
    strcpy(longest + 511, "@proxy:1");
    assert_int_equal(find(ENV("HTTPS_PROXY", longest), STS), ERR_OK);
    assert_int_equal(strlen(p.authorization), 6 + 684);
    memset(longest, 'x', 512);
    strcpy(longest + 512, "@proxy:1");
    assert_int_equal(find(ENV("HTTPS_PROXY", longest), STS), ERR_TOO_LONG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whether),
        cmocka_unit_test(exceptions),
        cmocka_unit_test(forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
