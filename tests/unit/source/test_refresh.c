/* The refresh machine, rule by rule. */
#include "tests/unit/source/refresh_sim.h"

static void the_first_tick_fetches(void **state) {
    (void)state;
    sim_start(0); /* a seed of zero is taken as well */
    assert_false(refresh_usable(&sim.r, sim.now));
    assert_int_equal(sim_event(REFRESH_TICK), REFRESH_FETCH);
    assert_int_equal(sim_event(REFRESH_TICK), REFRESH_WAIT);
    assert_int_equal(sim.r.deadline_mono_ms, CLOCK_NEVER);
}

static void the_next_fetch_comes_at_half_less_jitter(void **state) {
    (void)state;
    static const int64_t lives[] = {1,           500,         SECOND,      2 * SECOND,      10 * SECOND,
                                    MINUTE,      15 * MINUTE, 20 * MINUTE, 20 * MINUTE + 1, 21 * MINUTE,
                                    25 * MINUTE, 30 * MINUTE, 40 * MINUTE, 41 * MINUTE,     HOUR,
                                    3 * HOUR,    6 * HOUR,    12 * HOUR,   30 * DAY};
    int64_t least_of_all = INT64_MAX, most_of_all = 0;
    for (size_t i = 0; i < COUNT(lives); i++) {
        for (uint64_t seed = 1; seed <= 500; seed++) {
            sim_start(seed * 7919);
            int64_t left = lives[i], ideal = left / 2;
            if (left > REFRESH_RESERVE_MS && ideal > left - REFRESH_RESERVE_MS)
                ideal = left - REFRESH_RESERVE_MS;
            sim_fresh(left);
            int64_t delay = sim.r.next_mono_ms - sim.now.mono_ms;
            assert_true(delay >= REFRESH_FLOOR_MS);
            assert_true(delay <= (ideal > REFRESH_FLOOR_MS ? ideal : REFRESH_FLOOR_MS));
            assert_true(delay >= ideal - ideal / 10);
            if (left - REFRESH_RESERVE_MS >= REFRESH_FLOOR_MS)
                assert_true(left - delay >= REFRESH_RESERVE_MS); /* 20 minutes are left at the fetch */
            if (left == 6 * HOUR) {
                least_of_all = delay < least_of_all ? delay : least_of_all;
                most_of_all = delay > most_of_all ? delay : most_of_all;
            }
        }
    }
    /* The jitter is really spread over its tenth. */
    assert_true(least_of_all < 3 * HOUR - 16 * MINUTE);
    assert_true(most_of_all > 3 * HOUR - 2 * MINUTE);
}

static void back_off_doubles_between_1_and_60_s(void **state) {
    (void)state;
    int64_t longest[12] = {0};
    for (uint64_t seed = 1; seed <= 400; seed++) {
        sim_start(seed * 104729);
        assert_int_equal(sim_event(REFRESH_TICK), REFRESH_FETCH);
        for (int k = 0; k < 12; k++) {
            assert_int_equal(sim_failed(0), REFRESH_WAIT);
            int64_t delay = sim.r.next_mono_ms - sim.now.mono_ms, window = 2 * SECOND << k;
            assert_true(delay >= REFRESH_FLOOR_MS);
            assert_true(delay <= (window < REFRESH_RETRY_MAX_MS ? window : REFRESH_RETRY_MAX_MS));
            longest[k] = delay > longest[k] ? delay : longest[k];
            assert_int_equal(sim_to_deadline(), REFRESH_FETCH);
        }
    }
    assert_true(longest[0] > 1900 && longest[3] > 14 * SECOND && longest[11] > 58 * SECOND);
}

static void a_thousand_failures_do_not_overflow(void **state) {
    (void)state;
    sim_start(3);
    assert_int_equal(sim_event(REFRESH_TICK), REFRESH_FETCH);
    for (int i = 0; i < 1000; i++) {
        sim_failed(0);
        assert_true(sim.r.next_mono_ms - sim.now.mono_ms <= REFRESH_RETRY_MAX_MS);
        assert_int_equal(sim_to_deadline(), REFRESH_FETCH);
    }
    sim_fetched(HOUR); /* a success begins anew */
    assert_int_equal(sim_event(REFRESH_REQUESTED), REFRESH_WAIT);
    assert_int_equal(sim_to_deadline(), REFRESH_FETCH);
    sim_failed(0);
    assert_true(sim.r.next_mono_ms - sim.now.mono_ms <= 2 * SECOND);
}

static void retry_after_is_honoured_and_bounded(void **state) {
    (void)state;
    static const int64_t asked[] = {1,           SECOND,      30 * SECOND, 5 * MINUTE,
                                    15 * MINUTE, 16 * MINUTE, DAY,         INT64_MAX};
    for (size_t i = 0; i < COUNT(asked); i++) {
        for (uint64_t seed = 1; seed <= 100; seed++) {
            sim_start(seed);
            sim_event(REFRESH_TICK);
            sim_failed(asked[i]);
            int64_t delay = sim.r.next_mono_ms - sim.now.mono_ms;
            int64_t least = asked[i] < REFRESH_RETRY_AFTER_MAX_MS ? asked[i] : REFRESH_RETRY_AFTER_MAX_MS;
            assert_true(delay >= least && delay >= REFRESH_FLOOR_MS);
            assert_true(delay <= least + least / 10 || delay <= 2 * SECOND);
        }
    }
    /* Up to a tenth more, spread over all of it, so that a node's pods do not come back at once. */
    int64_t first = INT64_MAX, last = 0;
    for (uint64_t seed = 1; seed <= 4000; seed++) {
        sim_start(seed);
        sim_event(REFRESH_TICK);
        sim_failed(2 * SECOND);
        int64_t delay = sim.r.next_mono_ms - sim.now.mono_ms;
        first = delay < first ? delay : first;
        last = delay > last ? delay : last;
    }
    assert_int_equal(first, 2 * SECOND);
    assert_int_equal(last, 2 * SECOND + SECOND / 5);
    sim_start(1);
    sim_event(REFRESH_TICK);
    sim_failed(INT64_MIN); /* nonsense from a caller is no wish */
    assert_true(sim.r.next_mono_ms - sim.now.mono_ms <= 2 * SECOND);
}

static void expiry_ends_a_long_wait(void **state) {
    (void)state;
    sim_start(4);
    sim_fresh(2 * MINUTE);
    assert_int_equal(sim_to_deadline(), REFRESH_FETCH);
    sim_failed(15 * MINUTE); /* longer than the credentials have */
    assert_int_equal(sim.r.state, REFRESH_FAILING_VALID);
    assert_int_equal(sim_to_deadline(), REFRESH_FETCH);
    assert_int_equal(sim.r.state, REFRESH_EXPIRED);
    assert_int_equal(sim.now.wall_ms, sim.expires_wall);
}

static void credentials_end_at_their_very_millisecond(void **state) {
    (void)state;
    sim_start(5);
    sim_fresh(10 * MINUTE);
    sim_sleep(10 * MINUTE - 1);
    assert_true(refresh_usable(&sim.r, sim.now));
    sim_sleep(1);
    assert_false(refresh_usable(&sim.r, sim.now)); /* before any event has told the machine */
    assert_int_equal(sim_event(REFRESH_TICK), REFRESH_FETCH);
}

static void what_has_expired_already_is_never_served(void **state) {
    (void)state;
    static const int64_t left[] = {0, -1, -DAY, -START_WALL};
    for (size_t i = 0; i < COUNT(left); i++) {
        sim_start(6);
        sim_event(REFRESH_TICK);
        assert_int_equal(sim_fetched(left[i]), REFRESH_WAIT);
        assert_int_equal(sim.r.state, REFRESH_EXPIRED);
        assert_true(sim.r.next_mono_ms - sim.now.mono_ms >= REFRESH_FLOOR_MS);
        for (int k = 0; k < 20; k++) { /* handed out again and again: asked for less and less often */
            assert_int_equal(sim_to_deadline(), REFRESH_FETCH);
            sim_fetched(left[i]);
            assert_true(sim.r.next_mono_ms - sim.now.mono_ms <= REFRESH_RETRY_MAX_MS);
        }
        assert_int_equal(sim.r.failures, 21);
    }
}

static void a_clock_set_forward_expires_and_fetches(void **state) {
    (void)state;
    sim_start(7);
    sim_fresh(6 * HOUR);
    sim_sleep(MINUTE);
    sim.now.wall_ms += 7 * HOUR;
    assert_int_equal(sim_event(REFRESH_CLOCK_JUMPED), REFRESH_FETCH);
    assert_int_equal(sim.r.state, REFRESH_EXPIRED);
}

static void a_clock_set_forward_a_little_comes_earlier(void **state) {
    (void)state;
    sim_start(8);
    sim_fresh(6 * HOUR);
    int64_t planned = sim.r.next_mono_ms;
    sim_sleep(MINUTE);
    sim.now.wall_ms += 5 * HOUR;
    assert_int_equal(sim_event(REFRESH_CLOCK_JUMPED), REFRESH_WAIT);
    assert_true(sim.r.next_mono_ms < planned);
    assert_true(sim.r.next_mono_ms - sim.now.mono_ms <= 30 * MINUTE);
}

static void a_clock_set_back_stretches_nothing(void **state) {
    (void)state;
    sim_start(9);
    sim_fresh(6 * HOUR);
    int64_t planned = sim.r.next_mono_ms, end = sim.expires_mono;
    sim_sleep(MINUTE);
    sim.now.wall_ms -= 5 * HOUR;
    assert_int_equal(sim_event(REFRESH_CLOCK_JUMPED), REFRESH_WAIT);
    assert_true(sim.r.next_mono_ms <= planned);
    sim_sleep(end - sim.now.mono_ms - 1);
    assert_true(refresh_usable(&sim.r, sim.now));
    sim_sleep(1);
    assert_false(refresh_usable(&sim.r, sim.now)); /* though the wall clock says that five hours are left */
}

static void expired_is_final_though_the_clock_goes_back(void **state) {
    (void)state;
    sim_start(14);
    sim_fresh(6 * HOUR);
    sim_sleep(MINUTE);
    sim.now.wall_ms += 7 * HOUR;
    assert_int_equal(sim_event(REFRESH_CLOCK_JUMPED), REFRESH_FETCH);
    sim.now.wall_ms -= 7 * HOUR;
    assert_int_equal(sim_event(REFRESH_CLOCK_JUMPED), REFRESH_WAIT);
    assert_false(refresh_usable(&sim.r, sim.now)); /* withdrawn, and wiped */
    sim_fetched(6 * HOUR);
    assert_int_equal(sim.r.state, REFRESH_FRESH);
}

static void a_machine_that_slept_fetches_when_it_wakes(void **state) {
    (void)state;
    sim_start(10);
    sim_fresh(6 * HOUR);
    sim_sleep(5 * HOUR); /* both clocks go on: late, and still valid */
    assert_int_equal(sim_event(REFRESH_CLOCK_JUMPED), REFRESH_FETCH);
    assert_int_equal(sim.r.state, REFRESH_DUE);
    sim_sleep(3 * DAY); /* asleep with a fetch in flight */
    assert_int_equal(sim_event(REFRESH_CLOCK_JUMPED), REFRESH_WAIT);
    assert_int_equal(sim.r.state, REFRESH_EXPIRED);
    assert_int_equal(sim_failed(0), REFRESH_WAIT);
    assert_int_equal(sim_to_deadline(), REFRESH_FETCH);
}

static void a_rotated_token_matters_only_while_something_is_wrong(void **state) {
    (void)state;
    sim_start(11);
    sim_fresh(6 * HOUR);
    int64_t planned = sim.r.next_mono_ms;
    sim_sleep(MINUTE);
    assert_int_equal(sim_event(REFRESH_TOKEN_ROTATED), REFRESH_WAIT);
    assert_int_equal(sim.r.next_mono_ms, planned);
    assert_int_equal(sim_to_deadline(), REFRESH_FETCH);
    sim_failed(0);
    sim_sleep(SECOND);
    assert_int_equal(sim_event(REFRESH_TOKEN_ROTATED), REFRESH_FETCH);
}

/* Who is told to come back later does not come at once, whoever wishes it. */
static void no_wish_overrides_retry_after(void **state) {
    (void)state;
    static const enum refresh_event_kind wishes[] = {REFRESH_REQUESTED, REFRESH_TOKEN_ROTATED};
    for (size_t i = 0; i < COUNT(wishes); i++) {
        sim_start(22);
        sim_fresh(6 * HOUR);
        assert_int_equal(sim_to_deadline(), REFRESH_FETCH);
        sim_failed(10 * MINUTE);
        for (int64_t passed = 0; passed < 10 * MINUTE; passed += MINUTE) {
            assert_int_equal(sim_event(wishes[i]), REFRESH_WAIT);
            sim_sleep(MINUTE);
        }
        assert_int_equal(sim_event(wishes[i]), REFRESH_FETCH); /* then it counts, jitter or not */
        sim_fetched(6 * HOUR);
        sim_sleep(SECOND);
        assert_int_equal(sim_event(REFRESH_REQUESTED), REFRESH_FETCH); /* and no success keeps the old wish */
    }
}

/* What is under way was asked with the old token: its failure says nothing about the new one. */
static void a_token_rotated_during_a_fetch_that_fails_is_tried_at_once(void **state) {
    (void)state;
    sim_start(21);
    assert_int_equal(sim_event(REFRESH_TICK), REFRESH_FETCH);
    sim_sleep(2 * SECOND);
    assert_int_equal(sim_event(REFRESH_TOKEN_ROTATED), REFRESH_WAIT);
    assert_int_equal(sim_failed(0), REFRESH_FETCH);
    assert_int_equal(sim_failed(MINUTE), REFRESH_WAIT); /* once */
    assert_true(sim.r.next_mono_ms - sim.now.mono_ms >= MINUTE);
    sim_sleep(2 * MINUTE);
    assert_int_equal(sim_event(REFRESH_TICK), REFRESH_FETCH);
    assert_int_equal(sim_event(REFRESH_TOKEN_ROTATED), REFRESH_WAIT);
    assert_int_equal(sim_failed(0), REFRESH_WAIT);
    assert_int_equal(sim.r.next_mono_ms - sim.now.mono_ms, REFRESH_FLOOR_MS); /* never two within the floor */
    assert_int_equal(sim_to_deadline(), REFRESH_FETCH);
    assert_int_equal(sim_event(REFRESH_TOKEN_ROTATED), REFRESH_WAIT);
    assert_int_equal(sim_failed(MINUTE), REFRESH_WAIT);
    assert_int_equal(sim.r.next_mono_ms - sim.now.mono_ms, MINUTE); /* nor before what the server asked for */
    assert_int_equal(sim_to_deadline(), REFRESH_FETCH);
    assert_int_equal(sim_event(REFRESH_TOKEN_ROTATED), REFRESH_WAIT);
    sim_fetched(6 * HOUR); /* a success is one, with whichever token */
    assert_true(sim.r.next_mono_ms - sim.now.mono_ms > 2 * HOUR);
}

static void a_wish_waits_for_the_floor_and_for_a_fetch_under_way(void **state) {
    (void)state;
    sim_start(12);
    sim_fresh(6 * HOUR);
    assert_int_equal(sim_event(REFRESH_REQUESTED), REFRESH_WAIT); /* the last one began this instant */
    assert_true(sim.r.deadline_mono_ms - sim.now.mono_ms <= REFRESH_FLOOR_MS);
    assert_int_equal(sim_to_deadline(), REFRESH_FETCH);
    sim_sleep(2 * SECOND);
    for (int i = 0; i < 300; i++)
        assert_int_equal(sim_event(REFRESH_REQUESTED), REFRESH_WAIT);
    assert_int_equal(sim_fetched(6 * HOUR), REFRESH_WAIT); /* which served all of the wishes */
    assert_true(sim.r.next_mono_ms - sim.now.mono_ms > 2 * HOUR);
}

static void answers_that_nobody_waits_for_change_nothing(void **state) {
    (void)state;
    sim_start(13);
    sim_fresh(HOUR);
    struct refresh before = sim.r;
    assert_int_equal(sim_fetched(12 * HOUR), REFRESH_WAIT);
    assert_int_equal(sim_failed(MINUTE), REFRESH_WAIT);
    assert_memory_equal(&before, &sim.r, sizeof before);
}

static void every_state_has_a_name(void **state) {
    (void)state;
    static const char *const names[] = {"never-had", "fresh", "due", "failing-but-valid", "expired"};
    for (int s = 0; s < REFRESH_STATES; s++)
        assert_string_equal(refresh_state_name((enum refresh_state)s), names[s]);
    assert_string_equal(refresh_state_name(REFRESH_STATES), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_tick_fetches),
        cmocka_unit_test(the_next_fetch_comes_at_half_less_jitter),
        cmocka_unit_test(back_off_doubles_between_1_and_60_s),
        cmocka_unit_test(a_thousand_failures_do_not_overflow),
        cmocka_unit_test(retry_after_is_honoured_and_bounded),
        cmocka_unit_test(expiry_ends_a_long_wait),
        cmocka_unit_test(credentials_end_at_their_very_millisecond),
        cmocka_unit_test(what_has_expired_already_is_never_served),
        cmocka_unit_test(a_clock_set_forward_expires_and_fetches),
        cmocka_unit_test(a_clock_set_forward_a_little_comes_earlier),
        cmocka_unit_test(a_clock_set_back_stretches_nothing),
        cmocka_unit_test(expired_is_final_though_the_clock_goes_back),
        cmocka_unit_test(a_machine_that_slept_fetches_when_it_wakes),
        cmocka_unit_test(a_rotated_token_matters_only_while_something_is_wrong),
        cmocka_unit_test(no_wish_overrides_retry_after),
        cmocka_unit_test(a_token_rotated_during_a_fetch_that_fails_is_tried_at_once),
        cmocka_unit_test(a_wish_waits_for_the_floor_and_for_a_fetch_under_way),
        cmocka_unit_test(answers_that_nobody_waits_for_change_nothing),
        cmocka_unit_test(every_state_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
