/* What is counted, and how it is shown. */
#include "tests/unit/unit.h"

#include "common/base/clock.h"
#include "common/text/ini.h"
#include "sidecar/metrics.h"
#include "sidecar/routes.h"
#include "tests/unit/sidecar/answer_checks.h"

static const struct routes metrics_routes = {.kind = LISTENER_METRICS, .view = ANSWERS_ALL};
static struct moment at = {.mono_ms = 1000000, .wall_ms = INT64_C(1795435200000)};
static struct moment made_up_clock(void) {
    return at;
}

static const struct answer *ask(enum request_method method, const char *path) {
    struct request r = request_for(method, path, "any", "");
    return routes_pick(&metrics_routes, &r);
}

static void has_line(const struct answer *a, const char *line) {
    char text[ANSWERS_MOMENT_MAX], wanted[256];
    snprintf(text, sizeof text, "\n%.*s", (int)a->body_len, a->body);
    snprintf(wanted, sizeof wanted, "\n%s\n", line);
    if (strstr(text, wanted) == NULL)
        fail_msg("no line %s in%s", line, text);
}

static void metrics_count(void **state) {
    (void)state;
    clock_use(made_up_clock);
    const struct answer *a = ask(REQUEST_GET, "/metrics");
    assert_int_equal(status_of(a), 200);
    check_answer(a);
    has_line(a, "pod_identity_credentials_valid 0");
    has_line(a, "pod_identity_refreshes_total{result=\"success\",reason=\"OK\"} 0");
    metrics_refreshed(REASON_OK, 7);
    metrics_refreshed(REASON_OK, 10);
    metrics_refreshed(REASON_THROTTLED, 10001);
    metrics_serving(0, at.wall_ms - 1500, at.wall_ms + 90250);
    metrics_request(LISTENER_HTTP, ANSWERS_ALL, 401);
    metrics_files(false);
    a = ask(REQUEST_GET, "/metrics");
    check_answer(a);
    has_line(a, "pod_identity_refreshes_total{result=\"success\",reason=\"OK\"} 2");
    has_line(a, "pod_identity_refreshes_total{result=\"failure\",reason=\"THROTTLED\"} 1");
    has_line(a, "pod_identity_upstream_duration_seconds_bucket{le=\"0.005\"} 0");
    has_line(a, "pod_identity_upstream_duration_seconds_bucket{le=\"0.010\"} 2");
    has_line(a, "pod_identity_upstream_duration_seconds_bucket{le=\"10.000\"} 2");
    has_line(a, "pod_identity_upstream_duration_seconds_bucket{le=\"+Inf\"} 3");
    has_line(a, "pod_identity_upstream_duration_seconds_sum 10.018");
    has_line(a, "pod_identity_upstream_duration_seconds_count 3");
    has_line(a, "pod_identity_credentials_valid 1");
    has_line(a, "pod_identity_credentials_expiry_seconds 90.250");
    has_line(a, "pod_identity_credentials_age_seconds 1.500");
    has_line(a, "pod_identity_requests_total{listener=\"http\",code=\"401\"} 1");
    has_line(a, "pod_identity_file_writes_total{result=\"failure\"} 1");
    at.wall_ms += 100000;
    has_line(ask(REQUEST_GET, "/metrics"), "pod_identity_credentials_expiry_seconds -9.750");
    clock_use(NULL);
}

/* All counters as large as they get, and everything counted once: still whole. */
static void metrics_never_overflow(void **state) {
    (void)state;
    for (int l = 0; l < LISTENERS; l++) {
        for (int status = 0; status < 600; status++)
            metrics_request((enum listener)l, ANSWERS_ALL, status);
    }
    metrics_refreshed(REASON_INTERNAL, INT32_MAX);
    const struct answer *a = ask(REQUEST_GET, "/metrics");
    /* Each of some 80 numbers could have 19 digits more. */
    assert_true(a->body_len + 80 * 19 < ANSWERS_MOMENT_MAX);
}

static void metrics_show_nothing_else(void **state) {
    (void)state;
    static const char *const paths[] = {"/v1/credentials", "/v1/credential-process", "/",
                                        "/latest/api/token"};
    for (size_t i = 0; i < COUNT(paths); i++)
        assert_int_equal(status_of(ask(REQUEST_GET, paths[i])), 404);
    assert_int_equal(status_of(ask(REQUEST_GET, "/healthz")), 200);
    assert_int_equal(status_of(ask(REQUEST_HEAD, "/readyz")), 503);
    assert_int_equal(status_of(ask(REQUEST_PUT, "/metrics")), 405);
}

/* As with the editions: who writes one hears of it before its storage is used anew. */
static void a_moment_outlives_one_more(void **state) {
    (void)state;
    struct answer before = *ask(REQUEST_GET, "/metrics");
    for (int i = 0; i < 5; i++) {
        retired_count = 0;
        const struct answer *a = ask(REQUEST_GET, "/metrics");
        assert_ptr_not_equal(a->body, before.body);
        assert_true(retired_count <= 1);
        if (retired_count == 1)
            assert_ptr_not_equal(retired[0].body, before.body);
        before = *a;
    }
}

/* As many profiles as may be, with the longest names, each on a socket of its own, with everything counted:
 * whole, and for one of them without a word of the others. */
static void a_profile_is_shown_by_itself(void **state) {
    (void)state;
    static char text[ANSWERS_PROFILES_MAX][INI_PROFILE_MAX];
    static const char *names[ANSWERS_PROFILES_MAX];
    for (size_t i = 0; i < ANSWERS_PROFILES_MAX; i++) {
        memset(text[i], 'a' + (int)i, INI_PROFILE_MAX - 1);
        names[i] = text[i];
        metrics_serving(i, 1, INT64_C(253402300799000));
        for (int status = 0; status < 600; status++)
            metrics_request(LISTENER_SOCKET, i, status);
    }
    metrics_open(names, ANSWERS_PROFILES_MAX);
    const struct answer *all = ask(REQUEST_GET, "/metrics");
    check_answer(all);
    assert_true(all->body_len + 160 * 19 < ANSWERS_MOMENT_MAX);
    for (size_t i = 0; i < ANSWERS_PROFILES_MAX; i++) {
        const struct routes own = {.kind = LISTENER_SOCKET, .view = i};
        struct request r = request_for(REQUEST_GET, "/metrics", "any", "");
        const struct answer *a = routes_pick(&own, &r);
        assert_int_equal(status_of(a), 200);
        check_answer(a);
        for (size_t k = 0; k < ANSWERS_PROFILES_MAX; k++)
            assert_int_equal(memmem(a->body, a->body_len, names[k], INI_PROFILE_MAX - 1) != NULL, k == i);
        assert_null(memmem(a->body, a->body_len, "refreshes", 9));
        assert_null(memmem(a->body, a->body_len, "connections", 11));
        assert_null(memmem(a->body, a->body_len, "listener=\"http", 14));
        char line[256];
        snprintf(line, sizeof line, "pod_identity_credentials_valid{profile=\"%s\"} 1", names[i]);
        has_line(a, line);
        snprintf(line, sizeof line,
                 "pod_identity_requests_total{listener=\"socket\",profile=\"%s\",code=\"404\"} 1", names[i]);
        has_line(a, line);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(metrics_count, open_answers),
        cmocka_unit_test_setup(metrics_never_overflow, open_answers),
        cmocka_unit_test_setup(metrics_show_nothing_else, open_answers),
        cmocka_unit_test_setup(a_moment_outlives_one_more, open_answers),
        cmocka_unit_test_setup(a_profile_is_shown_by_itself, open_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
