/* The refresh machine through years of simulated time: by rule, by table, and by random events against a
 * model. */
#include "tests/unit/unit.h"

#include "common/refresh.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define START_WALL INT64_C(1795435200000)
#define SEED 20261123

/* The machine, a made-up clock, and what a careful observer knows. */
static struct sim {
    struct refresh r;
    struct moment now;
    bool in_flight, had, ended;         /* ended: an event found them expired, which is final */
    int64_t expires_wall, expires_mono; /* of what was accepted last */
    int64_t last_start;
    unsigned fetches;
    bool visited[REFRESH_STATES][REFRESH_EVENTS][2]; /* [in flight before] */
} sim;

static void sim_start(uint64_t seed) {
    memset(&sim, 0, sizeof sim);
    sim.now = (struct moment){.mono_ms = 5 * SECOND, .wall_ms = START_WALL};
    sim.last_start = INT64_MIN / 2;
    refresh_init(&sim.r, seed, sim.now);
}

static void sim_sleep(int64_t ms) {
    sim.now.mono_ms += ms;
    sim.now.wall_ms += ms;
}

static bool model_usable(void) {
    return sim.had && !sim.ended && sim.now.wall_ms < sim.expires_wall && sim.now.mono_ms < sim.expires_mono;
}

/* What has to hold after every step, whatever came. */
static void check_invariants(void) {
    const struct refresh *r = &sim.r;
    assert_int_equal(refresh_usable(r, sim.now), model_usable());
    assert_int_equal(r->in_flight, sim.in_flight);
    switch (r->state) {
    case REFRESH_NEVER_HAD:
        assert_false(sim.had);
        break;
    case REFRESH_EXPIRED:
        assert_true(sim.had && !model_usable());
        break;
    case REFRESH_DUE:
        assert_true(sim.in_flight && model_usable());
        break;
    case REFRESH_FRESH:
        assert_true(!sim.in_flight && model_usable());
        break;
    default:
        assert_int_equal(r->state, REFRESH_FAILING_VALID);
        assert_true(model_usable());
    }
    /* A deadline is ahead, or the owner would turn in circles; and it is no later than the end of what is
     * served. */
    assert_true(r->deadline_mono_ms > sim.now.mono_ms);
    if (model_usable()) {
        assert_true(r->deadline_mono_ms - sim.now.mono_ms <= sim.expires_wall - sim.now.wall_ms);
        assert_true(r->deadline_mono_ms <= sim.expires_mono);
    }
    if (!sim.in_flight)
        assert_true(r->deadline_mono_ms != CLOCK_NEVER); /* there is always a next attempt */
}

/* Events that call for haste: the fetch comes at once, or as soon as the floor allows. */
static bool calls_for_haste(enum refresh_state state, enum refresh_event_kind kind) {
    bool well = state == REFRESH_FRESH || state == REFRESH_DUE;
    return kind == REFRESH_REQUESTED ||
           (!well && (kind == REFRESH_TOKEN_ROTATED || kind == REFRESH_CLOCK_JUMPED));
}

static enum refresh_action sim_step(struct refresh_event event) {
    enum refresh_state before = sim.r.state;
    sim.visited[before][event.kind][sim.in_flight] = true;
    if (sim.in_flight && event.kind == REFRESH_FETCHED) {
        sim.had = true;
        sim.ended = false;
        sim.expires_wall = event.expires_wall_ms;
        sim.expires_mono = sim.now.mono_ms + (event.expires_wall_ms - sim.now.wall_ms);
    }
    if (event.kind == REFRESH_FETCHED || event.kind == REFRESH_FAILED)
        sim.in_flight = false;
    sim.ended = sim.ended || !model_usable();
    enum refresh_action action = refresh_step(&sim.r, &event, sim.now);
    if (action == REFRESH_FETCH) {
        assert_false(sim.in_flight); /* never two at once */
        assert_true(sim.now.mono_ms - sim.last_start >= REFRESH_FLOOR_MS);
        sim.in_flight = true;
        sim.last_start = sim.now.mono_ms;
        sim.fetches++;
    }
    if (calls_for_haste(before, event.kind) && !sim.in_flight)
        assert_true(sim.r.deadline_mono_ms <= sim.last_start + REFRESH_FLOOR_MS);
    check_invariants();
    return action;
}

static enum refresh_action sim_event(enum refresh_event_kind kind) {
    return sim_step((struct refresh_event){.kind = kind});
}

static enum refresh_action sim_fetched(int64_t left_ms) {
    return sim_step(
        (struct refresh_event){.kind = REFRESH_FETCHED, .expires_wall_ms = sim.now.wall_ms + left_ms});
}

static enum refresh_action sim_failed(int64_t retry_after_ms) {
    return sim_step((struct refresh_event){.kind = REFRESH_FAILED, .retry_after_ms = retry_after_ms});
}

/* On to the deadline, and what the machine does there. */
static enum refresh_action sim_to_deadline(void) {
    sim_sleep(sim.r.deadline_mono_ms - sim.now.mono_ms);
    return sim_event(REFRESH_TICK);
}

static void sim_fresh(int64_t left_ms) {
    assert_int_equal(sim_event(REFRESH_TICK), REFRESH_FETCH);
    assert_int_equal(sim_fetched(left_ms), REFRESH_WAIT);
    assert_int_equal(sim.r.state, REFRESH_FRESH);
}

/* ---- rules, one at a time ---- */

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
    sim_failed(10 * MINUTE);
    sim_sleep(2 * SECOND);
    assert_int_equal(sim_event(REFRESH_TOKEN_ROTATED), REFRESH_FETCH);
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

/* ---- years with an agent ---- */

/* An agent as it is: credentials of one life, handed out again and again until three hours have passed, or
 * less than 15 s are left. */
struct agent {
    int64_t life, made_wall;
};

static int64_t agent_expiry(struct agent *a) {
    int64_t age = sim.now.wall_ms - a->made_wall;
    int64_t renewal = a->life < 3 * HOUR ? a->life - 15 * SECOND : 3 * HOUR;
    if (a->made_wall == 0 || age >= renewal)
        a->made_wall = sim.now.wall_ms;
    return a->made_wall + a->life;
}

/* Returns the least time that was left while something was served. */
static int64_t live_with_agent(struct dice *dice, int64_t life, int64_t span, int64_t outage_each,
                               int64_t outage) {
    struct agent agent = {.life = life};
    int64_t end = sim.now.mono_ms + span, least = INT64_MAX;
    int64_t outage_from = outage_each > 0 ? sim.now.mono_ms + outage_each : INT64_MAX;
    while (sim.now.mono_ms < end) {
        enum refresh_action action = sim_to_deadline();
        if (sim.had && sim.expires_wall - sim.now.wall_ms < least)
            least = sim.expires_wall - sim.now.wall_ms;
        if (action != REFRESH_FETCH)
            continue;
        sim_sleep((int64_t)dice_below(dice, 50) + 1);
        if (sim.now.mono_ms >= outage_from && sim.now.mono_ms < outage_from + outage) {
            sim_failed(0);
            continue;
        }
        if (sim.now.mono_ms >= outage_from)
            outage_from = sim.now.mono_ms + outage_each;
        sim_step((struct refresh_event){.kind = REFRESH_FETCHED, .expires_wall_ms = agent_expiry(&agent)});
    }
    return least;
}

static void ten_quiet_years(void **state) {
    (void)state;
    static const int64_t lives[] = {6 * HOUR, 12 * HOUR, HOUR};
    for (size_t i = 0; i < COUNT(lives); i++) {
        struct dice dice = {.state = SEED};
        sim_start(SEED + i);
        int64_t least = live_with_agent(&dice, lives[i], 3650 * DAY, 0, 0);
        /* SDKs begin to ask at every use with 15 minutes left: they never see that. */
        if (lives[i] >= 6 * HOUR)
            assert_true(least > 19 * MINUTE);
        else
            assert_true(least > 0); /* an agent that hands out an hour until it ends cannot do better */
        double per_day = (double)sim.fetches / 3650;
        assert_true(per_day > 2 && per_day < (lives[i] >= 6 * HOUR ? 20 : 600));
    }
}

static void a_year_of_short_outages(void **state) {
    (void)state;
    struct dice dice = {.state = SEED};
    sim_start(SEED);
    assert_true(live_with_agent(&dice, 6 * HOUR, 365 * DAY, 2 * HOUR, 3 * MINUTE) > 15 * MINUTE);
}

static void a_year_of_long_outages_ends_and_recovers(void **state) {
    (void)state;
    struct dice dice = {.state = SEED};
    sim_start(SEED);
    live_with_agent(&dice, 6 * HOUR, 365 * DAY, DAY, 9 * HOUR);
    assert_true(sim.visited[REFRESH_EXPIRED][REFRESH_FAILED][true]);
    assert_true(sim.visited[REFRESH_EXPIRED][REFRESH_FETCHED][true]);
    assert_true(sim.fetches < 365 * (20 + 9 * 3600 / 15)); /* and hammered nobody meanwhile */
}

/* ---- anything at any time ---- */

static int64_t any_duration(struct dice *d) {
    static const int64_t scale[] = {2, SECOND, 3 * SECOND, MINUTE, 20 * MINUTE, 2 * HOUR, DAY};
    return (int64_t)dice_below(d, (uint64_t)scale[dice_below(d, COUNT(scale))]);
}

static void any_event(struct dice *d) {
    struct refresh_event event = {.kind = (enum refresh_event_kind)dice_below(d, REFRESH_EVENTS)};
    /* A machine that is never idle sees too little: mostly events in their place. */
    if (!sim.in_flight && dice_below(d, 4) != 0 &&
        (event.kind == REFRESH_FETCHED || event.kind == REFRESH_FAILED))
        event.kind = REFRESH_TICK;
    event.expires_wall_ms = sim.now.wall_ms + any_duration(d) - (dice_below(d, 8) == 0 ? any_duration(d) : 0);
    event.retry_after_ms = dice_below(d, 3) == 0 ? any_duration(d) : 0;
    if (event.kind == REFRESH_CLOCK_JUMPED && dice_below(d, 2) == 0)
        sim.now.wall_ms += any_duration(d) - any_duration(d);
    sim_step(event);
}

static void random_events_break_no_invariant(void **state) {
    (void)state;
    static bool visited[REFRESH_STATES][REFRESH_EVENTS][2];
    uint64_t seed = SEED;
    const char *given = getenv("REFRESH_SEED");
    if (given != NULL)
        seed = strtoull(given, NULL, 10);
    printf("# random events: REFRESH_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    struct dice dice = {.state = seed};
    int64_t simulated = 0;
    for (int life = 0; life < 1500; life++) {
        sim_start(dice_roll(&dice));
        for (int i = 0; i < 1500; i++) {
            if (dice_below(&dice, 3) == 0 && sim.r.deadline_mono_ms != CLOCK_NEVER)
                sim_sleep(sim.r.deadline_mono_ms - sim.now.mono_ms); /* just in time */
            else if (dice_below(&dice, 2) == 0)
                sim_sleep(any_duration(&dice));
            any_event(&dice);
        }
        simulated += sim.now.mono_ms;
        for (int s = 0; s < REFRESH_STATES; s++) {
            for (int e = 0; e < REFRESH_EVENTS; e++) {
                visited[s][e][0] |= sim.visited[s][e][0];
                visited[s][e][1] |= sim.visited[s][e][1];
            }
        }
    }
    printf("# %lld years simulated\n", (long long)(simulated / (365 * DAY)));
    assert_true(simulated > 50 * 365 * DAY);
    for (int s = 0; s < REFRESH_STATES; s++) {
        for (int e = 0; e < REFRESH_EVENTS; e++) {
            /* Due means that a fetch is under way, fresh that none is. */
            if (!visited[s][e][0] && s != REFRESH_DUE)
                fail_msg("state %d never met event %d at rest", s, e);
            if (!visited[s][e][1] && s != REFRESH_FRESH)
                fail_msg("state %d never met event %d with a fetch under way", s, e);
        }
    }
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
        cmocka_unit_test(a_wish_waits_for_the_floor_and_for_a_fetch_under_way),
        cmocka_unit_test(answers_that_nobody_waits_for_change_nothing),
        cmocka_unit_test(every_state_has_a_name),
        cmocka_unit_test(ten_quiet_years),
        cmocka_unit_test(a_year_of_short_outages),
        cmocka_unit_test(a_year_of_long_outages_ends_and_recovers),
        cmocka_unit_test(random_events_break_no_invariant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
