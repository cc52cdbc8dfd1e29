/* Which descriptors belong to lookups that run: events of others are libcurl's. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "common/base/clock.h"
#include "common/http/lookup.h"

static unsigned char stream[RESOLVER_STREAM_MAX];

static void nobody_watches(int fd, int events) {
    (void)fd, (void)events;
}

static void begin(struct lookup *l, const char *url) {
    assert_int_equal(lookup_start(l, url, true, stream, 2000, NULL), ERR_OK);
}

static void an_address_needs_no_descriptor(void **state) {
    (void)state;
    static struct lookup l;
    begin(&l, "http://127.0.0.1:8080/");
    for (int fd = 0; fd < 64; fd++)
        assert_false(lookup_owns(fd));
    assert_int_equal(lookup_deadline(), 0); /* due at once */
    assert_ptr_equal(lookup_step(1000), &l);
    assert_null(lookup_step(1000));
}

static void a_name_has_those_of_its_resolver(void **state) {
    (void)state;
    static struct lookup l;
    begin(&l, "http://sts.example.test/");
    for (int fd = 0; fd < 64; fd++)
        assert_false(lookup_owns(fd)); /* nothing is asked yet */
    for (int i = 0; i < RESOLVER_SOCKETS; i++) {
        l.resolver.fds[i] = 1000 + i;
        assert_true(lookup_owns(1000 + i));
        assert_false(lookup_owns(1001 + i));
        l.resolver.fds[i] = -1;
    }
    lookup_cancel(&l);
    assert_int_equal(lookup_deadline(), CLOCK_NEVER);
}

static void one_of_several_ends_alone(void **state) {
    (void)state;
    static struct lookup l[3];
    for (size_t i = 0; i < COUNT(l); i++)
        begin(&l[i], "http://127.0.0.1/");
    alarm(30);
    lookup_cancel(&l[1]);
    lookup_cancel(&l[1]); /* harmless */
    const struct lookup *first = lookup_step(1000), *second = lookup_step(1000);
    alarm(0);
    assert_true(first == &l[0] ? second == &l[2] : first == &l[2] && second == &l[0]);
    assert_null(lookup_step(1000));
}

int main(void) {
    fake_clock(1000, 1000);
    lookup_open(nobody_watches);
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_address_needs_no_descriptor),
                                       cmocka_unit_test(a_name_has_those_of_its_resolver),
                                       cmocka_unit_test(one_of_several_ends_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
