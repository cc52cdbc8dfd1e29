/* The resolver over UDP, step by step with made-up time: whom it asks, when again, and what it says. */
#include "tests/unit/http/resolver_ends.h"

static void both_versions(void **state) {
    (void)state;
    begin(NAME, ONE);
    step(STARTED_MS, RESOLVER_WORKING);
    assert_int_equal(end_count, 1); /* one socket for both */
    assert_int_equal(ends[0].watched, RESOLVER_READ);
    struct query a = asked(FIRST, NAME, DNS_A), aaaa = asked(FIRST, NAME, DNS_AAAA);
    nothing_asked();
    assert_int_equal(r.deadline_ms, STARTED_MS + 1000);
    answer(&a, FINE, "ab");
    step(STARTED_MS + 10, RESOLVER_WORKING);
    assert_int_equal(r.deadline_ms, STARTED_MS + 310); /* the other version has a moment */
    answer(&aaaa, FINE, "c");
    step(STARTED_MS + 20, RESOLVER_FOUND);
    assert_int_equal(r.found.count, 3);
    assert_true(r.found.list[0].ipv6); /* there is a way to it */
    assert_int_equal(r.found.list[0].bytes[15], 'c');
    assert_int_equal(r.found.list[1].bytes[3], 'a');
    assert_int_equal(r.found.list[2].bytes[3], 'b');
}

static void without_a_way_to_ipv6(void **state) {
    (void)state;
    begin(NAME, ONE);
    unreachable = "2020:";
    step(STARTED_MS, RESOLVER_WORKING);
    struct query a = asked(FIRST, NAME, DNS_A), aaaa = asked(FIRST, NAME, DNS_AAAA);
    answer(&aaaa, FINE, "c");
    answer(&a, FINE, "a");
    step(STARTED_MS, RESOLVER_FOUND);
    assert_int_equal(r.found.count, 2);
    assert_false(r.found.list[0].ipv6);
}

static void one_version_is_enough(void **state) {
    (void)state;
    begin(NAME, ONE);
    step(STARTED_MS, RESOLVER_WORKING);
    struct query a = asked(FIRST, NAME, DNS_A);
    answer(&a, FINE, "a");
    step(STARTED_MS + 100, RESOLVER_WORKING);
    step(STARTED_MS + 399, RESOLVER_WORKING);
    step(STARTED_MS + 400, RESOLVER_FOUND);
    assert_int_equal(r.found.count, 1);
    fresh(state);
    begin(NAME, ONE);
    step(STARTED_MS, RESOLVER_WORKING);
    a = asked(FIRST, NAME, DNS_A);
    struct query aaaa = asked(FIRST, NAME, DNS_AAAA);
    answer(&aaaa, SERVFAIL, "");
    answer(&a, FINE, "a");
    step(STARTED_MS, RESOLVER_WORKING); /* it may fail as often as it may be asked */
    aaaa = asked(FIRST, NAME, DNS_AAAA);
    answer(&aaaa, SERVFAIL, ""); /* but no more once the other has addresses */
    step(STARTED_MS + 1, RESOLVER_FOUND);
}

static void no_such_name(void **state) {
    (void)state;
    begin(NAME, ONE);
    step(STARTED_MS, RESOLVER_WORKING);
    struct query a = asked(FIRST, NAME, DNS_A), aaaa = asked(FIRST, NAME, DNS_AAAA);
    answer(&a, NXDOMAIN, "");
    step(STARTED_MS, RESOLVER_WORKING);
    answer(&aaaa, NXDOMAIN, "");
    step(STARTED_MS, RESOLVER_NO_NAME);
    says("nameserver 10.0.0.1 knows no such name");
    begin(NAME, ONE);
    step(STARTED_MS, RESOLVER_WORKING);
    a = asked(FIRST, NAME, DNS_A), aaaa = asked(FIRST, NAME, DNS_AAAA);
    answer(&a, FINE, "");
    answer(&aaaa, FINE, "");
    step(STARTED_MS, RESOLVER_NO_NAME);
    says("nameserver 10.0.0.1 knows no address of that name");
}

/* The next server at once after an error, after a second without an answer. */
static void servers_in_turn(void **state) {
    (void)state;
    begin(NAME, ONE "nameserver 10.0.0.2\noptions timeout:2 attempts:2\n");
    step(STARTED_MS, RESOLVER_WORKING);
    struct query a = asked(FIRST, NAME, DNS_A), aaaa = asked(FIRST, NAME, DNS_AAAA);
    answer(&a, SERVFAIL, "");
    step(STARTED_MS + 1, RESOLVER_WORKING);
    (void)asked(SECOND, NAME, DNS_A);
    nothing_asked();
    step(STARTED_MS + 999, RESOLVER_WORKING);
    nothing_asked();
    step(STARTED_MS + 1000, RESOLVER_WORKING);
    a = asked(FIRST, NAME, DNS_A);
    (void)asked(SECOND, NAME, DNS_AAAA);
    nothing_asked();
    assert_int_equal(r.deadline_ms, STARTED_MS + 2000);
    answer(&aaaa, FINE, "l"); /* late, and it counts */
    answer(&a, FINE, "a");
    step(STARTED_MS + 1100, RESOLVER_FOUND);
    assert_int_equal(r.found.count, 2);
}

static void silence(void **state) {
    (void)state;
    begin(NAME, ONE "nameserver 10.0.0.2\noptions timeout:1 attempts:2\n");
    step(STARTED_MS, RESOLVER_WORKING);
    for (int64_t ms = 1000; ms < 4000; ms += 1000) {
        step(STARTED_MS + ms, RESOLVER_WORKING);
        assert_int_equal(r.deadline_ms, STARTED_MS + ms + 1000);
    }
    step(STARTED_MS + 3999, RESOLVER_WORKING);
    step(STARTED_MS + 4000, RESOLVER_SILENT); /* timeout x attempts x servers */
    says("nameserver 10.0.0.2 port 53: no answer");
    fresh(state);
    begin(NAME, ONE "options timeout:30\n");
    r.end_ms = STARTED_MS + 1500;
    step(STARTED_MS, RESOLVER_WORKING);
    step(STARTED_MS + 1000, RESOLVER_WORKING);
    assert_int_equal(r.deadline_ms, STARTED_MS + 1500);
    step(STARTED_MS + 1500, RESOLVER_SILENT);
}

static void errors(void **state) {
    (void)state;
    begin(NAME, ONE "options attempts:2\n");
    step(STARTED_MS, RESOLVER_WORKING);
    for (int i = 0; i < 2; i++) {
        struct query a = asked(FIRST, NAME, DNS_A);
        answer(&a, SERVFAIL, "");
        step(STARTED_MS, RESOLVER_WORKING);
        if (i == 0) {
            struct query aaaa = asked(FIRST, NAME, DNS_AAAA);
            answer(&aaaa, 0x8185, "");
            step(STARTED_MS, RESOLVER_WORKING);
        }
    }
    struct query aaaa = asked(FIRST, NAME, DNS_AAAA);
    answer(&aaaa, 0x8185, "");
    step(STARTED_MS, RESOLVER_ERROR);
    says("nameserver 10.0.0.1 answered SERVFAIL");
    static const struct {
        unsigned flags;
        const char *says;
    } codes[] = {{0x8185, "nameserver 10.0.0.1 answered REFUSED"},
                 {0x8189, "nameserver 10.0.0.1 answered error 9"}};
    for (size_t i = 0; i < COUNT(codes); i++) {
        fresh(state);
        begin(NAME, ONE "options attempts:1\n");
        step(STARTED_MS, RESOLVER_WORKING);
        struct query a = asked(FIRST, NAME, DNS_A);
        aaaa = asked(FIRST, NAME, DNS_AAAA);
        answer(&a, codes[i].flags, "");
        answer(&aaaa, FINE, "");
        step(STARTED_MS, RESOLVER_ERROR);
        says(codes[i].says);
    }
}

static void not_to_be_reached(void **state) {
    (void)state;
    begin(NAME, ONE "nameserver fd00::2\n");
    unreachable = "10.0.0.1";
    step(STARTED_MS, RESOLVER_WORKING);
    (void)asked("fd00::2:53", NAME, DNS_A);
    (void)asked("fd00::2:53", NAME, DNS_AAAA);
    fresh(state);
    begin(NAME, ONE);
    unreachable = "10.0.0.1";
    step(STARTED_MS, RESOLVER_SILENT);
    says("nameserver 10.0.0.1 port 53: Network is unreachable");
    fresh(state);
    begin(NAME, "nameserver fe80::1%eth0\n");
    step(STARTED_MS, RESOLVER_SILENT);
    says("no nameserver in /etc/resolv.conf is a numeric address");
}

/* A closed port: what was asked there goes to the next server at once. */
static void refused(void **state) {
    (void)state;
    begin(NAME, ONE "nameserver 10.0.0.2\n");
    step(STARTED_MS, RESOLVER_WORKING);
    struct query a = asked(FIRST, NAME, DNS_A);
    answer(&a, FINE, "a");
    step(STARTED_MS + 1, RESOLVER_WORKING);
    refusing = r.fds[0];
    step(STARTED_MS + 2, RESOLVER_FOUND); /* once is enough where the other version has addresses */
    fresh(state);
    begin(NAME, ONE "nameserver 10.0.0.2\n");
    step(STARTED_MS, RESOLVER_WORKING);
    refusing = r.fds[0];
    step(STARTED_MS + 1, RESOLVER_WORKING);
    a = asked(SECOND, NAME, DNS_A);
    struct query aaaa = asked(SECOND, NAME, DNS_AAAA);
    answer(&a, FINE, "a");
    answer(&aaaa, FINE, "");
    step(STARTED_MS + 2, RESOLVER_FOUND);
    fresh(state);
    begin(NAME, ONE "options attempts:1\n");
    step(STARTED_MS, RESOLVER_WORKING);
    refusing = r.fds[0];
    step(STARTED_MS + 1, RESOLVER_SILENT);
    says("nameserver 10.0.0.1 port 53: Connection refused");
}

static void strangers_are_passed_by(void **state) {
    (void)state;
    begin(NAME, ONE);
    step(STARTED_MS, RESOLVER_WORKING);
    struct query a = asked(FIRST, NAME, DNS_A), other = a;
    other.bytes[0] ^= 1;
    answer(&other, FINE, "x");
    other = a;
    other.bytes[13] ^= 0x01; /* another name */
    answer(&other, FINE, "y");
    step(STARTED_MS + 1, RESOLVER_WORKING);
    assert_int_equal(r.found.count, 0);
    answer(&a, FINE, "a");
    answer(&a, FINE, "z"); /* it has been answered */
    step(STARTED_MS + 1000, RESOLVER_WORKING);
    step(STARTED_MS + 1300, RESOLVER_FOUND);
    assert_int_equal(r.found.count, 1);
    assert_int_equal(r.found.list[0].bytes[3], 'a');
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup(f, fresh)
    const struct CMUnitTest tests[] = {
        TEST(both_versions),
        TEST(without_a_way_to_ipv6),
        TEST(one_version_is_enough),
        TEST(no_such_name),
        TEST(servers_in_turn),
        TEST(silence),
        TEST(errors),
        TEST(not_to_be_reached),
        TEST(refused),
        TEST(strangers_are_passed_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
