/* The refresh machine through years of simulated time: with an agent, and by random events. */
#include "tests/unit/source/refresh_sim.h"

#define SEED 20261123

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
        cmocka_unit_test(ten_quiet_years),
        cmocka_unit_test(a_year_of_short_outages),
        cmocka_unit_test(a_year_of_long_outages_ends_and_recovers),
        cmocka_unit_test(random_events_break_no_invariant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
