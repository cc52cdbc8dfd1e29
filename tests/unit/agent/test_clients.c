#include "agent/client.h"
#include "agent/failures.h"
#include "tests/unit/unit.h"

static struct client_address address(unsigned number) {
    struct client_address a = {{0}};
    memcpy(a.bytes + 12, &number, 4);
    return a;
}

static int open_hash(void **state) {
    (void)state;
    return keyed_hash_open() ? 0 : 1;
}

static size_t take_all(struct client_bucket *b, int64_t at_ms) {
    size_t taken = 0;
    while (client_bucket_take(b, at_ms))
        taken++;
    return taken;
}

static void a_bucket_is_a_burst_and_a_rate(void **state) {
    struct client_bucket b = {0};
    (void)state;
    assert_int_equal(take_all(&b, 1000000), CLIENT_BURST);
    assert_int_equal(take_all(&b, 1000000), 0);
    assert_int_equal(take_all(&b, 1000001), CLIENT_RATE / 1000);
    assert_int_equal(take_all(&b, 1000101), CLIENT_RATE / 10);
    assert_int_equal(take_all(&b, 1000000), 0); /* time never goes back; if it did, nothing is given */
    assert_int_equal(take_all(&b, 9000000), CLIENT_BURST);
    assert_int_equal(take_all(&b, INT64_C(90000000000)), CLIENT_BURST);
}

static void clients_do_not_share(void **state) {
    struct client_address a = address(1), b = address(2);
    (void)state;
    struct client *first = client_find(&a, 1000);
    assert_int_equal(take_all(&first->bucket, 1000), CLIENT_BURST);
    assert_ptr_equal(client_find(&a, 1000), first);
    struct client *second = client_find(&b, 1000);
    assert_true(second != first);
    assert_int_equal(take_all(&second->bucket, 1000), CLIENT_BURST);
}

/* Whoever has somebody waiting stays, however many others come. */
static void who_waits_keeps_its_place(void **state) {
    struct client_address a = address(1);
    (void)state;
    struct client *waits = client_find(&a, 1000);
    waits->crowd.waiting = 1;
    for (unsigned i = 2; i < 20000; i++) {
        struct client_address other = address(i);
        assert_non_null(client_find(&other, 2000 + (int64_t)i));
    }
    assert_ptr_equal(client_find(&a, 50000), waits);
    assert_int_equal(waits->crowd.waiting, 1);
    waits->crowd.waiting = 0;
}

static struct exchange_error denied(const char *text) {
    struct exchange_error e = {.blame = EXCHANGE_POD, .status = 404};
    (void)snprintf(e.text, sizeof e.text, "%s", text);
    return e;
}

static void a_failure_is_of_one_token_from_one_address(void **state) {
    struct keyed_hash token = keyed_hash('t', "a", 1), other_token = keyed_hash('t', "b", 1);
    struct client_address a = address(101), b = address(102);
    struct exchange_error e = denied("no");
    (void)state;
    failures_add(&token, &a, &e, 1000);
    assert_string_equal(failures_find(&token, &a, 1500)->text, "no");
    assert_null(failures_find(&token, &b, 1500));
    assert_null(failures_find(&other_token, &a, 1500));
    failures_forget(&token, &a);
    assert_null(failures_find(&token, &a, 1500));
}

static void the_memory_doubles_and_ends(void **state) {
    struct keyed_hash token = keyed_hash('t', "double", 6);
    struct client_address a = address(103);
    struct exchange_error e = denied("no");
    int64_t now = 1000000;
    (void)state;
    for (int64_t expected = FAILURES_FIRST_MS; expected <= 64000; expected *= 2) {
        int64_t lasts = expected < FAILURES_MAX_MS ? expected : FAILURES_MAX_MS;
        failures_add(&token, &a, &e, now);
        assert_non_null(failures_find(&token, &a, now + lasts - 1));
        assert_null(failures_find(&token, &a, now + lasts));
        now += lasts;
    }
    now += 2 * FAILURES_MAX_MS; /* not asked for so long: from the beginning */
    failures_add(&token, &a, &e, now);
    assert_null(failures_find(&token, &a, now + FAILURES_FIRST_MS));
}

/* One client with many tokens pushes out its own. */
static void a_flood_of_failures_is_bounded(void **state) {
    struct exchange_error e = denied("no");
    struct client_address loud = address(104);
    size_t others = 0;
    (void)state;
    failures_forget_all();
    for (unsigned i = 0; i < 64; i++) {
        struct client_address quiet = address(1000 + i);
        struct keyed_hash token = keyed_hash('t', &i, sizeof i);
        failures_add(&token, &quiet, &e, 5000);
    }
    for (unsigned i = 0; i < 10000; i++) {
        struct keyed_hash token = keyed_hash('t', &i, sizeof i);
        failures_add(&token, &loud, &e, 5001);
        assert_non_null(failures_find(&token, &loud, 5001));
    }
    for (unsigned i = 0; i < 64; i++) {
        struct client_address quiet = address(1000 + i);
        struct keyed_hash token = keyed_hash('t', &i, sizeof i);
        others += failures_find(&token, &quiet, 5001) != NULL;
    }
    assert_true(others >= 40);
    assert_true(failures_count(5001) <= 256);
    failures_forget_all();
    assert_int_equal(failures_count(5001), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_is_a_burst_and_a_rate),
        cmocka_unit_test(clients_do_not_share),
        cmocka_unit_test(who_waits_keeps_its_place),
        cmocka_unit_test(a_failure_is_of_one_token_from_one_address),
        cmocka_unit_test(the_memory_doubles_and_ends),
        cmocka_unit_test(a_flood_of_failures_is_bounded),
    };
    return cmocka_run_group_tests(tests, open_hash, NULL);
}
