/* The resolver: answers by TCP, the search list, and hosts. */
#include "tests/unit/http/resolver_ends.h"

/* ---- TCP ---- */

static struct end *stream_end(void) {
    struct end *e = &ends[end_count - 1];
    assert_int_equal(e->type, SOCK_STREAM);
    assert_string_equal(e->address, FIRST);
    return e;
}

static struct query asked_by_tcp(struct end *e, enum dns_type type) {
    struct query q = {.at = e};
    unsigned char in[2 + DNS_QUERY_MAX], want[DNS_QUERY_MAX];
    ssize_t len = recv(e->theirs, in, sizeof in, MSG_DONTWAIT);
    assert_true(len > 2);
    q.len = (size_t)len - 2;
    assert_int_equal(in[0] << 8 | in[1], q.len);
    memcpy(q.bytes, in + 2, q.len);
    assert_int_equal(dns_query(NAME, (uint16_t)(in[2] << 8 | in[3]), type, want), q.len);
    assert_memory_equal(want, q.bytes, q.len);
    return q;
}

static struct query truncated(void) {
    begin(NAME, ONE "options attempts:1\n");
    step(STARTED_MS, RESOLVER_WORKING);
    struct query a = asked(FIRST, NAME, DNS_A), aaaa = asked(FIRST, NAME, DNS_AAAA);
    answer(&aaaa, FINE, "");
    answer(&a, TRUNCATED, "");
    step(STARTED_MS + 1, RESOLVER_WORKING);
    return asked_by_tcp(stream_end(), DNS_A);
}

static void by_tcp(void **state) {
    (void)state;
    unsigned char out[1026];
    struct query q = truncated();
    assert_int_equal(q.at->watched, RESOLVER_READ);
    assert_false(r.tcp_writing);
    size_t len = make(&q, FINE, "pqr", out + 2);
    out[0] = (unsigned char)(len >> 8), out[1] = (unsigned char)len;
    for (size_t i = 0; i < len + 1; i++) { /* byte by byte */
        assert_int_equal(send(q.at->theirs, out + i, 1, 0), 1);
        step(STARTED_MS + 2, RESOLVER_WORKING);
    }
    send(q.at->theirs, out + len + 1, 1, 0);
    step(STARTED_MS + 2, RESOLVER_FOUND);
    assert_int_equal(r.found.count, 3);
}

static void tcp_does_not_help(void **state) {
    static const char *const bytes[] = {"", "\x10\x00", "\xff\xff", "\x00\x02xx"};
    static const size_t lens[] = {0, 2, 2, 4};
    for (size_t i = 0; i < COUNT(bytes); i++) {
        fresh(state);
        struct query q = truncated();
        send(q.at->theirs, bytes[i], lens[i], 0);
        if (i == 0) {
            close(q.at->theirs);
            q.at->theirs = -1;
        }
        step(STARTED_MS + 2, RESOLVER_ERROR);
        says("nameserver 10.0.0.1 answered more than fits by UDP, and nothing by TCP");
    }
    fresh(state);
    struct query q = truncated();
    unsigned char out[1026];
    size_t len = make(&q, TRUNCATED, "", out + 2); /* truncated by TCP is nonsense */
    out[0] = 0, out[1] = (unsigned char)len;
    send(q.at->theirs, out, len + 2, 0);
    step(STARTED_MS + 2, RESOLVER_ERROR);
    fresh(state);
    truncated();
    step(STARTED_MS + 1000, RESOLVER_WORKING);
    nothing_asked(); /* not by UDP again */
    step(STARTED_MS + 5000, RESOLVER_ERROR);
}

/* ---- candidates and files ---- */

static void answer_none(const char *name) {
    struct query a = asked(FIRST, name, DNS_A), aaaa = asked(FIRST, name, DNS_AAAA);
    answer(&a, NXDOMAIN, "");
    answer(&aaaa, NXDOMAIN, "");
}

static void search_list(void **state) {
    (void)state;
    begin("sts.aws", ONE "search a.local b.local\noptions ndots:5\n");
    step(STARTED_MS, RESOLVER_WORKING);
    answer_none("sts.aws"); /* with a dot: as it stands first, whatever ndots says */
    step(STARTED_MS, RESOLVER_WORKING);
    answer_none("sts.aws.a.local");
    step(STARTED_MS, RESOLVER_WORKING);
    answer_none("sts.aws.b.local");
    step(STARTED_MS, RESOLVER_NO_NAME);
    fresh(state);
    begin("sts", ONE "search a.local\n");
    step(STARTED_MS, RESOLVER_WORKING);
    answer_none("sts.a.local");
    step(STARTED_MS, RESOLVER_WORKING);
    answer_none("sts"); /* without one: last */
    step(STARTED_MS, RESOLVER_NO_NAME);
    fresh(state);
    begin("sts", ONE "search a.local\noptions ndots:0\n");
    step(STARTED_MS, RESOLVER_WORKING);
    answer_none("sts");
    step(STARTED_MS, RESOLVER_WORKING);
    answer_none("sts.a.local");
    step(STARTED_MS, RESOLVER_NO_NAME);
    fresh(state);
    begin("sts.aws.", ONE "search a.local\n");
    step(STARTED_MS, RESOLVER_WORKING);
    answer_none("sts.aws.");
    step(STARTED_MS, RESOLVER_NO_NAME);
}

/* What is told in the end is what was said of the name itself; a silent server is not asked for the rest. */
static void verdict_is_the_name_s_own(void **state) {
    (void)state;
    begin(NAME, ONE "search a.local\noptions attempts:1\n");
    step(STARTED_MS, RESOLVER_WORKING);
    struct query a = asked(FIRST, NAME, DNS_A), aaaa = asked(FIRST, NAME, DNS_AAAA);
    answer(&a, SERVFAIL, "");
    answer(&aaaa, SERVFAIL, "");
    step(STARTED_MS, RESOLVER_WORKING);
    answer_none(NAME ".a.local");
    step(STARTED_MS, RESOLVER_ERROR);
    says("nameserver 10.0.0.1 answered SERVFAIL");
    fresh(state);
    begin(NAME, ONE "search a.local\noptions attempts:1 timeout:1\n");
    step(STARTED_MS, RESOLVER_WORKING);
    step(STARTED_MS + 1000, RESOLVER_SILENT);
    fresh(state);
    begin(NAME, ONE "search a.local\n");
    step(STARTED_MS, RESOLVER_WORKING);
    answer_none(NAME);
    step(LATEST_MS, RESOLVER_NO_NAME); /* there is no time for more */
}

static void hosts(void **state) {
    (void)state;
    write_file(hosts_path, "10.9.9.9 " NAME "\n", 25);
    begin(NAME, ONE);
    step(STARTED_MS, RESOLVER_FOUND);
    assert_int_equal(end_count, 0);
    assert_int_equal(r.found.list[0].bytes[0], 10);
}

static void starts_and_stops(void **state) {
    (void)state;
    char name[DNS_NAME_MAX + 1];
    memset(name, 'a', sizeof name);
    name[DNS_NAME_MAX] = '\0';
    assert_false(resolver_start(&r, name, watch, stream, LATEST_MS));
    assert_false(resolver_start(&r, "", watch, stream, LATEST_MS));
    name[DNS_NAME_MAX - 1] = '\0';
    assert_true(resolver_start(&r, name, watch, stream, LATEST_MS));
    assert_string_equal(r.hosts_file, "/etc/hosts");
    assert_string_equal(r.conf_file, "/etc/resolv.conf");
    resolver_stop(&r);
    begin(NAME, ONE "nameserver 10.0.0.2\n");
    step(STARTED_MS, RESOLVER_WORKING);
    step(STARTED_MS + 1000, RESOLVER_WORKING);
    int fds[] = {ends[0].ours, ends[1].ours};
    resolver_stop(&r);
    for (size_t i = 0; i < COUNT(fds); i++) {
        assert_int_equal(ends[i].ours, -1);
        assert_int_equal(fcntl(fds[i], F_GETFD), -1);
    }
    resolver_stop(&r);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup(f, fresh)
    const struct CMUnitTest tests[] = {
        TEST(by_tcp), TEST(tcp_does_not_help), TEST(search_list), TEST(verdict_is_the_name_s_own),
        TEST(hosts),  TEST(starts_and_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
