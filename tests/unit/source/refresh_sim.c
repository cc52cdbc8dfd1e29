#include "tests/unit/source/refresh_sim.h"

struct sim sim;

void sim_start(uint64_t seed) {
    memset(&sim, 0, sizeof sim);
    sim.now = (struct moment){.mono_ms = 5 * SECOND, .wall_ms = START_WALL};
    sim.last_start = INT64_MIN / 2;
    refresh_init(&sim.r, seed, sim.now);
}

void sim_sleep(int64_t ms) {
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

static int64_t asked_for(int64_t retry_after_ms) {
    int64_t bounded =
        retry_after_ms < REFRESH_RETRY_AFTER_MAX_MS ? retry_after_ms : REFRESH_RETRY_AFTER_MAX_MS;
    return bounded > 0 ? bounded : 0;
}

enum refresh_action sim_step(struct refresh_event event) {
    enum refresh_state before = sim.r.state;
    sim.visited[before][event.kind][sim.in_flight] = true;
    if (sim.in_flight && event.kind == REFRESH_FETCHED) {
        sim.had = true;
        sim.ended = false;
        sim.expires_wall = event.expires_wall_ms;
        sim.expires_mono = sim.now.mono_ms + (event.expires_wall_ms - sim.now.wall_ms);
    }
    if (sim.in_flight && event.kind == REFRESH_FETCHED)
        sim.not_before = sim.now.mono_ms;
    if (sim.in_flight && event.kind == REFRESH_FAILED)
        sim.not_before = sim.now.mono_ms + asked_for(event.retry_after_ms);
    if (event.kind == REFRESH_FETCHED || event.kind == REFRESH_FAILED)
        sim.in_flight = false;
    bool ends_now = !sim.ended && !model_usable();
    sim.ended = sim.ended || !model_usable();
    enum refresh_action action = refresh_step(&sim.r, &event, sim.now);
    if (action == REFRESH_FETCH) {
        /* Only the end of what is served, or a clock that jumped, comes before the server's wish. */
        bool wish = event.kind == REFRESH_REQUESTED || event.kind == REFRESH_TOKEN_ROTATED ||
                    event.kind == REFRESH_FAILED;
        assert_true(!wish || ends_now || sim.hurried || sim.now.mono_ms >= sim.not_before);
        assert_false(sim.in_flight); /* never two at once */
        assert_true(sim.now.mono_ms - sim.last_start >= REFRESH_FLOOR_MS);
        sim.in_flight = true;
        sim.last_start = sim.now.mono_ms;
        sim.fetches++;
    }
    sim.hurried = !sim.in_flight && (sim.hurried || ends_now || event.kind == REFRESH_CLOCK_JUMPED);
    int64_t soon = sim.last_start + REFRESH_FLOOR_MS;
    if (event.kind != REFRESH_CLOCK_JUMPED && soon < sim.not_before)
        soon = sim.not_before;
    if (calls_for_haste(before, event.kind) && !sim.in_flight)
        assert_true(sim.r.deadline_mono_ms <= soon);
    check_invariants();
    return action;
}

enum refresh_action sim_event(enum refresh_event_kind kind) {
    return sim_step((struct refresh_event){.kind = kind});
}

enum refresh_action sim_fetched(int64_t left_ms) {
    return sim_step(
        (struct refresh_event){.kind = REFRESH_FETCHED, .expires_wall_ms = sim.now.wall_ms + left_ms});
}

enum refresh_action sim_failed(int64_t retry_after_ms) {
    return sim_step((struct refresh_event){.kind = REFRESH_FAILED, .retry_after_ms = retry_after_ms});
}

enum refresh_action sim_to_deadline(void) {
    sim_sleep(sim.r.deadline_mono_ms - sim.now.mono_ms);
    return sim_event(REFRESH_TICK);
}

void sim_fresh(int64_t left_ms) {
    assert_int_equal(sim_event(REFRESH_TICK), REFRESH_FETCH);
    assert_int_equal(sim_fetched(left_ms), REFRESH_WAIT);
    assert_int_equal(sim.r.state, REFRESH_FRESH);
}
