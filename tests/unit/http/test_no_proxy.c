#include "tests/unit/unit.h"

#include "common/http/no_proxy.h"

#define AGENT "http://169.254.170.23/v1/credentials"
#define AGENT6 "http://[fd00:ec2::23]/v1/credentials"

static void table_of_lists(void **state) {
    (void)state;
    static const struct {
        const char *list, *uri;
        bool covered;
    } table[] = {
        {NULL, AGENT, false},
        {"", AGENT, false},
        {" ,, ", AGENT, false},
        {"*", AGENT, true},
        {"169.254.170.23", AGENT, true},
        {"localhost, 169.254.170.23 ,.svc", AGENT, true},
        {".svc 169.254.170.23", AGENT, true},
        {"169.254.170.23:80", AGENT, true},
        {"169.254.0.0/16", AGENT, true},
        {"169.254.170.22/31", AGENT, true},
        {"169.254.170.20/31", AGENT, false},
        {"0.0.0.0/0", AGENT, true},
        {"169.254.170.23/32", AGENT, true},
        {"169.254.170.23/33", AGENT, false},
        {"169.254.170.23/", AGENT, false},
        {"169.254.170.23/x", AGENT, false},
        {"169.254.170.2", AGENT, false},
        {"169.254.170.230", AGENT, false},
        {"169.254.170.23.example.com", AGENT, false},
        {"169.254", AGENT, false},
        {"fd00:ec2::23", AGENT, false},
        {"fd00:ec2::23", AGENT6, true},
        {"[fd00:ec2::23]", AGENT6, true},
        {"[fd00:ec2::23]:80", AGENT6, true},
        {"FD00:EC2:0::23", AGENT6, true},
        {"fd00::/8", AGENT6, true},
        {"fd00:ec2::/127", AGENT6, false},
        {"::/0", AGENT6, true},
        {"169.254.0.0/16", AGENT6, false},
        {"localhost", "http://localhost/", true},
        {"LOCALHOST", "http://localhost/", true},
        {"127.0.0.0/8", "http://127.1.2.3/", true},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct uri u;
        assert_int_equal(uri_parse(table[i].uri, &u), ERR_OK);
        if (no_proxy_covers(table[i].list, &u) != table[i].covered)
            fail_msg("NO_PROXY=%s for %s", table[i].list, table[i].uri);
    }
}

static const char *upper, *small;
static const char *lookup(const char *name) {
    return strcmp(name, "NO_PROXY") == 0 ? upper : strcmp(name, "no_proxy") == 0 ? small : NULL;
}

/* What http.ProxyFromEnvironment of Go 1.26 makes of each, and Kotlin's EnvironmentProxySelector. */
static void rules_of_sdks(void **state) {
    (void)state;
    static const struct {
        const char *upper, *small, *uri;
        bool go, kotlin;
    } table[] = {
        {NULL, NULL, AGENT, false, false},
        {"", "*", AGENT, true, true},
        {"*", NULL, AGENT, true, true},
        {"x,*", NULL, AGENT, true, true},
        {"169.254.170.23", NULL, AGENT, true, true},
        {NULL, "169.254.170.23", AGENT, true, true},
        {"example.com", "169.254.170.23", AGENT, false, true},
        {" a ,\t169.254.170.23 ", NULL, AGENT, true, true},
        {"10.0.0.0/8 169.254.170.23", NULL, AGENT, false, true},
        {"169.254.170.23:80", NULL, AGENT, true, true},
        {"169.254.170.23:443", NULL, AGENT, false, false},
        {"169.254.170.23:", NULL, AGENT, true, true},
        {"169.254.0.0/16", NULL, AGENT, true, false},
        {"169.254.0.0/33", NULL, AGENT, false, false},
        {"[169.254.170.23]", NULL, AGENT, false, false},
        {"170.23", NULL, AGENT, false, true}, /* as if it were a domain */
        {".170.23", NULL, AGENT, false, true},
        {".169.254.170.23", NULL, AGENT, false, true},
        {"0.23", NULL, AGENT, false, false},
        {"fd00:ec2::23", NULL, AGENT6, true, false},
        {"fd00::23", NULL, "http://[fd00::23]/", true, false}, /* no host "fd00" with a port */
        {"[fd00:ec2::23]", NULL, AGENT6, false, false},
        {"[fd00:ec2::23]:80", NULL, AGENT6, true, false},
        {"[fd00:ec2::23]:81", NULL, AGENT6, false, false},
        {"fd00::/8", NULL, AGENT6, true, false},
        {"169.254.170.23,[fd00:ec2::23]", NULL, AGENT6, false, false},
        {",,", ",", AGENT, false, false},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct uri u;
        upper = table[i].upper;
        small = table[i].small;
        assert_int_equal(uri_parse(table[i].uri, &u), ERR_OK);
        bool go = no_proxy_of_go(lookup, &u), kotlin = no_proxy_of_kotlin(lookup, &u);
        if (go != table[i].go || kotlin != table[i].kotlin)
            fail_msg("NO_PROXY=%s no_proxy=%s for %s: %d, %d", upper, small, table[i].uri, go, kotlin);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_of_lists),
        cmocka_unit_test(rules_of_sdks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
