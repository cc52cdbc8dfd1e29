/* What is counted, and how it is shown. */
#include "tests/unit/unit.h"

#include "common/base/clock.h"
#include "sidecar/metrics.h"
#include "sidecar/routes.h"
#include "tests/unit/sidecar/answer_checks.h"

static const struct routes metrics_routes = {.kind = LISTENER_METRICS};
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
    metrics_request(LISTENER_HTTP, 401);
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
            metrics_request((enum listener)l, status);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(metrics_count, open_answers),
        cmocka_unit_test_setup(metrics_never_overflow, open_answers),
        cmocka_unit_test_setup(metrics_show_nothing_else, open_answers),
        cmocka_unit_test_setup(a_moment_outlives_one_more, open_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
