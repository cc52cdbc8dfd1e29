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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_of_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
