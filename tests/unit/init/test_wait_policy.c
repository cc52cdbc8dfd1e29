#include "tests/unit/unit.h"

#include "init/wait_policy.h"

#define START 1000000

static struct failure failure;

static struct wait_policy policy(int64_t wait_ms) {
    return (struct wait_policy){
        .deadline_ms = START + wait_ms, .token_valid_ms = START, .denied_since_ms = CLOCK_NEVER};
}

static int64_t next(struct wait_policy *p, enum reason reason, bool answered, int64_t began, int64_t ended) {
    failure_begin(&failure, reason);
    const struct wait_attempt a = {&failure, answered, START + began, START + ended};
    return wait_next(p, &a, 0);
}

static void silence_is_asked_again_soon(void **state) {
    (void)state;
    struct wait_policy p = policy(60000);
    assert_int_equal(next(&p, REASON_AGENT_UNREACHABLE, false, 0, 0), WAIT_POLL_MS);
    /* Counted from the beginning: an attempt that timed out is followed at once. */
    assert_int_equal(next(&p, REASON_AGENT_UNREACHABLE, false, 200, 290), WAIT_POLL_MS - 90);
    assert_int_equal(next(&p, REASON_AGENT_UNREACHABLE, false, 400, 400 + WAIT_CONNECT_MS), 0);
    assert_int_equal(next(&p, REASON_AGENT_UNREACHABLE, false, 600, 10600), 0);
    /* STS, too: a NetworkPolicy or an address often comes a moment after the container. */
    assert_int_equal(next(&p, REASON_AWS_UNREACHABLE, false, 11000, 11000), WAIT_POLL_MS);
    for (uint32_t random = 0; random < 3000; random += 7) {
        failure_begin(&failure, REASON_AGENT_UNREACHABLE);
        const struct wait_attempt a = {&failure, false, START, START + WAIT_CONNECT_MS};
        int64_t delay = wait_next(&p, &a, random);
        assert_in_range(delay, 0, 250 - WAIT_CONNECT_MS); /* the promised reaction */
    }
}

static void the_deadline_ends_it(void **state) {
    (void)state;
    struct wait_policy p = policy(0);
    assert_int_equal(next(&p, REASON_AGENT_UNREACHABLE, false, 0, 0), WAIT_OVER);
    p = policy(300);
    assert_int_equal(next(&p, REASON_AGENT_UNREACHABLE, false, 0, 0), WAIT_POLL_MS);
    assert_int_equal(next(&p, REASON_AGENT_UNREACHABLE, false, 200, 200), 100);
    assert_int_equal(next(&p, REASON_AGENT_UNREACHABLE, false, 300, 300), WAIT_OVER);
}

static void errors_back_off(void **state) {
    (void)state;
    struct wait_policy p = policy(60000);
    assert_int_equal(next(&p, REASON_THROTTLED, true, 0, 0), 1000);
    assert_int_equal(next(&p, REASON_THROTTLED, true, 1000, 1000), 2000);
    assert_int_equal(next(&p, REASON_BAD_RESPONSE, true, 3000, 3000), 4000);
    assert_int_equal(next(&p, REASON_TLS_FAILED, false, 7000, 7000), 5000);
    assert_int_equal(next(&p, REASON_AGENT_UNREACHABLE, false, 12000, 12000), WAIT_POLL_MS);
    assert_int_equal(next(&p, REASON_THROTTLED, true, 13000, 13000), 1000);
    failure_begin(&failure, REASON_THROTTLED);
    failure.retry_after_ms = 9000;
    const struct wait_attempt a = {&failure, true, START + 14000, START + 14000};
    assert_int_equal(wait_next(&p, &a, 0), 9000);
}

static void a_denial_is_believed_in_time(void **state) {
    (void)state;
    struct wait_policy p = policy(60000);
    assert_int_equal(next(&p, REASON_ACCESS_DENIED, true, 0, 0), 1000);
    assert_int_equal(next(&p, REASON_ACCESS_DENIED, true, 1000, 1000), 2000);
    assert_int_equal(next(&p, REASON_TOKEN_INVALID, true, 3000, 3000), 2000); /* to the very moment */
    assert_int_equal(next(&p, REASON_ACCESS_DENIED, true, 5000, 5000), WAIT_OVER);
    p = policy(60000);
    assert_int_equal(next(&p, REASON_ACCESS_DENIED, true, 0, 0), 1000);
    assert_int_equal(next(&p, REASON_THROTTLED, true, 4000, 4000), 2000); /* another answer: counted anew */
    assert_int_equal(next(&p, REASON_ACCESS_DENIED, true, 6000, 6000), 4000);
}

/* The agent's verdict on a token is a denial; our own, in the midst of a rotation, is not. */
static void a_token_that_we_refuse_ourselves_is_waited_for(void **state) {
    (void)state;
    struct wait_policy p = policy(60000);
    for (int64_t at = 0; at < 30000; at += 5000) {
        assert_true(next(&p, REASON_TOKEN_INVALID, false, at, at) > 0);
        assert_int_equal(p.denied_since_ms, CLOCK_NEVER);
    }
    assert_true(next(&p, REASON_TOKEN_UNREADABLE, false, 30000, 30000) > 0);
}

static void a_token_not_yet_valid_is_asked_with_at_its_beginning(void **state) {
    (void)state;
    struct wait_policy p = policy(60000);
    p.token_valid_ms = START + 1500;
    assert_int_equal(next(&p, REASON_TOKEN_INVALID, true, 0, 0), 1000);
    assert_int_equal(next(&p, REASON_TOKEN_INVALID, true, 1000, 1000), 500);
    assert_true(next(&p, REASON_TOKEN_INVALID, true, 1500, 1500) > 0);
    assert_int_equal(next(&p, REASON_TOKEN_INVALID, true, 6500, 6500), WAIT_OVER);
}

static void what_waiting_cannot_help_ends_at_once(void **state) {
    (void)state;
    static const enum reason final[] = {REASON_NOT_INJECTED, REASON_INJECTION_INVALID,
                                        REASON_UNEXPECTED_IDENTITY, REASON_INTERNAL};
    for (size_t i = 0; i < COUNT(final); i++) {
        struct wait_policy p = policy(60000);
        assert_int_equal(next(&p, final[i], true, 0, 0), WAIT_OVER);
    }
    struct wait_policy p = policy(60000);
    failure_begin(&failure, REASON_ACCESS_DENIED);
    failure.permanent = true;
    const struct wait_attempt a = {&failure, true, START, START};
    assert_int_equal(wait_next(&p, &a, 0), WAIT_OVER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_is_asked_again_soon),
        cmocka_unit_test(the_deadline_ends_it),
        cmocka_unit_test(errors_back_off),
        cmocka_unit_test(a_denial_is_believed_in_time),
        cmocka_unit_test(a_token_that_we_refuse_ourselves_is_waited_for),
        cmocka_unit_test(a_token_not_yet_valid_is_asked_with_at_its_beginning),
        cmocka_unit_test(what_waiting_cannot_help_ends_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
