#include "tests/unit/unit.h"

#include "common/http/resolv_conf.h"

static const char *conf(const char *text) {
    const char *path = scratch_path("resolv.conf");
    write_file(path, text, strlen(text));
    return path;
}

static void defaults(void **state) {
    (void)state;
    static const unsigned char loopback[4] = {127, 0, 0, 1};
    const char *const paths[] = {"/nonexistent", conf(""),
                                 conf("# nameserver 1.2.3.4\n; nameserver 1.2.3.4\n"), "/tmp"};
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct resolv_conf c;
        resolv_conf_read(paths[i], &c);
        assert_true(c.count == 1 && !c.servers[0].ipv6 && c.ndots == 1 && c.timeout_s == 5 &&
                    c.attempts == 2);
        assert_memory_equal(c.servers[0].bytes, loopback, 4);
        char domain[DNS_NAME_MAX];
        assert_false(resolv_conf_search(paths[i], 0, domain));
    }
}

static void of_a_pod(void **state) {
    (void)state;
    const char *path =
        conf("search shop.svc.cluster.local svc.cluster.local\tcluster.local\r\nnameserver 10.96.0.10\n"
             "nameserver fd00::a # the other\noptions ndots:5 edns0 timeout:2 attempts:3");
    struct resolv_conf c;
    char domain[DNS_NAME_MAX];
    resolv_conf_read(path, &c);
    assert_true(c.count == 2 && c.ndots == 5 && c.timeout_s == 2 && c.attempts == 3);
    assert_true(!c.servers[0].ipv6 && c.servers[0].bytes[0] == 10 && c.servers[1].ipv6 &&
                c.servers[1].bytes[15] == 10);
    assert_true(resolv_conf_search(path, 0, domain));
    assert_string_equal(domain, "shop.svc.cluster.local");
    assert_true(resolv_conf_search(path, 2, domain));
    assert_string_equal(domain, "cluster.local");
    assert_false(resolv_conf_search(path, 3, domain));
}

static void odd(void **state) {
    (void)state;
    struct resolv_conf c;
    char domain[DNS_NAME_MAX];
    resolv_conf_read(conf("nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\nnameserver 4.4.4.4\n"),
                     &c);
    assert_int_equal(c.count, RESOLV_SERVERS_MAX);
    resolv_conf_read(conf("nameserver fe80::1%eth0\nnameserver dns.example\n"), &c);
    assert_int_equal(c.count, 0);
    resolv_conf_read(
        conf("nameserver\nnameserver 9.9.9.9\noptions timeout:0 attempts:0 ndots:99 timeout:x\n"), &c);
    assert_true(c.count == 1 && c.timeout_s == 1 && c.attempts == 1 && c.ndots == 15);
    resolv_conf_read(conf("options timeout:99999999999999999999 attempts:99\n"), &c);
    assert_true(c.timeout_s == 30 && c.attempts == 5);
    /* the last of search and domain counts */
    assert_false(resolv_conf_search(conf("search a b c\ndomain d\n"), 1, domain));
    assert_true(resolv_conf_search(conf("search a b c\ndomain d\n"), 0, domain));
    assert_string_equal(domain, "d");
    assert_false(resolv_conf_search(conf("search a\nsearch"), 0, domain));
    char line[3000] = "search ";
    memset(line + 7, 'x', 600);
    strcat(line, " good.example");
    assert_true(resolv_conf_search(conf(line), 0, domain));
    assert_string_equal(domain, "");
    assert_true(resolv_conf_search(conf(line), 1, domain));
    assert_string_equal(domain, "good.example");
}

/* glibc: no limit to the number of domains. */
/* Bytes that are no text make no word of a line, and end none. */
static void rubbish(void **state) {
    (void)state;
    static const char text[] = "\0nameserver 9.9.9.9\n\0 nameserver 8.8.8.8\nnameserver 10.0.0.1\n";
    const char *path = scratch_path("resolv.conf");
    struct resolv_conf c;
    write_file(path, text, sizeof text - 1);
    resolv_conf_read(path, &c);
    assert_true(c.count == 1 && c.servers[0].bytes[0] == 10);
}

static void many_domains(void **state) {
    (void)state;
    static char text[64 * 1024] = "search";
    for (int i = 0; i < 500; i++)
        snprintf(text + strlen(text), 64, " d%d.a-rather-long-name-for-a-domain.example", i);
    char domain[DNS_NAME_MAX];
    assert_true(resolv_conf_search(conf(text), 499, domain));
    assert_string_equal(domain, "d499.a-rather-long-name-for-a-domain.example");
    assert_false(resolv_conf_search(conf(text), 500, domain));
}

static void hosts(void **state) {
    (void)state;
    struct dns_addresses found = {.count = 0};
    const char *path =
        conf("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n10.1.2.3 STS.example sts sts.example # "
             "twice\n"
             "not-an-address sts.example\nfd00::1 sts.example\n10.0.0.1 #sts.example\n10.0.0.2 other");
    assert_true(resolv_hosts(path, "sts.example", &found));
    assert_int_equal(found.count, 2);
    assert_true(!found.list[0].ipv6 && found.list[0].bytes[3] == 3 && found.list[1].ipv6);
    found.count = 0;
    assert_true(resolv_hosts(path, "other", &found));
    assert_int_equal(found.count, 1);
    found.count = 0;
    assert_false(resolv_hosts(path, "example", &found));
    assert_false(resolv_hosts(path, "not-an-address", &found));
    assert_false(resolv_hosts("/nonexistent", "localhost", &found));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults), cmocka_unit_test(of_a_pod),     cmocka_unit_test(odd),
        cmocka_unit_test(rubbish),  cmocka_unit_test(many_domains), cmocka_unit_test(hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
