/* What the agent counts, and how it is shown: the real agent's names, and ours. */
#include "tests/unit/unit.h"

#include "agent/metrics.h"

static const struct moment now = {.wall_ms = INT64_C(1795610096000)};
static char text[METRICS_TEXT_MAX];
static struct metrics_gauges gauges;

static void render(void) {
    struct buf out = BUF(text);
    buf_reset(&out);
    metrics_render(&gauges, now, &out);
    assert_false(out.overflow);
}

static bool has(const char *line) {
    char wanted[256];
    snprintf(wanted, sizeof wanted, "\n%s\n", line);
    return strstr(text, wanted) != NULL;
}

static void has_line(const char *line) {
    if (!has(line))
        fail_msg("no line %s in\n%s", line, text);
}

/* Each sample has its HELP and TYPE before it, once; no name twice. Form: exposition format 0.0.4. */
static void check_form(void) {
    static char name[128], types[64][128];
    size_t type_count = 0;
    for (const char *at = text, *end; *at != '\0'; at = end + 1) {
        end = strchr(at, '\n');
        assert_non_null(end);
        if (strncmp(at, "# TYPE ", 7) == 0) {
            snprintf(types[type_count], sizeof types[0], "%.*s", (int)strcspn(at + 7, " "), at + 7);
            for (size_t i = 0; i < type_count; i++)
                assert_string_not_equal(types[i], types[type_count]);
            type_count++;
        } else if (*at != '#') {
            snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "{ "), at);
            /* of the type that was named last; a histogram's samples have endings */
            assert_int_equal(strncmp(name, types[type_count - 1], strlen(types[type_count - 1])), 0);
            const char *value = end;
            while (value > at && value[-1] != ' ')
                value--;
            assert_true(strspn(value, "0123456789.-") == (size_t)(end - value) && end > value);
        }
    }
}

static void at_the_start(void **state) {
    (void)state;
    render();
    check_form();
    has_line("pod_identity_cache_state{state=\"miss\"} 0");
    has_line("pod_identity_cache_state{state=\"hit\"} 0");
    has_line("pod_identity_cache_state{state=\"evicted\"} 0");
    has_line("pod_identity_agent_ready 0");
    has_line("pod_identity_agent_node_credentials_valid 0");
    assert_null(strstr(text, "pod_identity_http_response{"));
    assert_null(strstr(text, "pod_identity_local_validation"));
    assert_null(strstr(text, "nearest_expiry"));
    assert_null(strstr(text, "node_credentials_expiry"));
    assert_null(strstr(text, "associations"));
}

static void counted(void **state) {
    (void)state;
    metrics_response(200);
    metrics_response(200);
    metrics_response(404);
    metrics_limited(false);
    metrics_limited(true);
    metrics_limited(true);
    metrics_cache(METRICS_MISS);
    metrics_cache(METRICS_HIT);
    metrics_cache(METRICS_EVICTED);
    metrics_served();
    metrics_passed_expired();
    metrics_cache_error("AccessDeniedException", true);
    metrics_cache_error("ThrottlingException", false);
    metrics_cache_error("", false);
    metrics_cache_error("Made\"Up", false);
    metrics_validation(METRICS_SUCCESS);
    metrics_upstream(true, 25);
    metrics_upstream(true, 26);
    metrics_upstream(false, 20001);
    gauges = (struct metrics_gauges){.entries = 3,
                                     .entries_max = 2000,
                                     .bytes = 9000,
                                     .bytes_max = 16777216,
                                     .waiting = 4,
                                     .in_flight = 5,
                                     .queued = 6,
                                     .failures_remembered = 7,
                                     .connections = 8,
                                     .nearest_expiry_ms = now.wall_ms + 90250,
                                     .node_expires_ms = now.wall_ms - 1500,
                                     .with_associations = true,
                                     .associations = 10,
                                     .associations_unusable = 1,
                                     .ready = true};
    render();
    check_form();
    static const char *const lines[] = {
        "pod_identity_http_response{code=\"200\"} 2",
        "pod_identity_http_response{code=\"404\"} 1",
        "pod_identity_cache_state{state=\"miss\"} 1",
        "pod_identity_cache_state{state=\"hit\"} 1",
        "pod_identity_cache_state{state=\"evicted\"} 1",
        "pod_identity_cache_errors{type=\"NonRecoverable\",code=\"AccessDeniedException\"} 1",
        "pod_identity_cache_errors{type=\"Recoverable\",code=\"ThrottlingException\"} 1",
        "pod_identity_cache_errors{type=\"Recoverable\",code=\"none\"} 1",
        "pod_identity_cache_errors{type=\"Recoverable\",code=\"other\"} 1",
        "pod_identity_local_validation{result=\"success\"} 1",
        "pod_identity_local_validation{result=\"failure\"} 0",
        "pod_identity_agent_limited_total{by=\"client\"} 1",
        "pod_identity_agent_limited_total{by=\"pod\"} 2",
        "pod_identity_agent_served_from_memory_total 1",
        "pod_identity_agent_passed_expired_total 1",
        "pod_identity_agent_upstream_requests_total{result=\"success\"} 2",
        "pod_identity_agent_upstream_requests_total{result=\"failure\"} 1",
        "pod_identity_agent_upstream_duration_seconds_bucket{le=\"0.025\"} 1",
        "pod_identity_agent_upstream_duration_seconds_bucket{le=\"0.050\"} 2",
        "pod_identity_agent_upstream_duration_seconds_bucket{le=\"20.000\"} 2",
        "pod_identity_agent_upstream_duration_seconds_bucket{le=\"+Inf\"} 3",
        "pod_identity_agent_upstream_duration_seconds_sum 20.052",
        "pod_identity_agent_upstream_duration_seconds_count 3",
        "pod_identity_agent_entries 3",
        "pod_identity_agent_entries_max 2000",
        "pod_identity_agent_cache_bytes 9000",
        "pod_identity_agent_cache_bytes_max 16777216",
        "pod_identity_agent_waiting 4",
        "pod_identity_agent_upstream_in_flight 5",
        "pod_identity_agent_upstream_queued 6",
        "pod_identity_agent_failures_remembered 7",
        "pod_identity_agent_connections 8",
        "pod_identity_agent_nearest_expiry_seconds 90.250",
        "pod_identity_agent_node_credentials_valid 0",
        "pod_identity_agent_node_credentials_expiry_seconds -1.500",
        "pod_identity_agent_associations 10",
        "pod_identity_agent_associations_unusable 1",
        "pod_identity_agent_ready 1",
    };
    for (size_t i = 0; i < COUNT(lines); i++)
        has_line(lines[i]);
    gauges.node_expires_ms = CLOCK_NEVER; /* from the environment: they do not end */
    render();
    has_line("pod_identity_agent_node_credentials_valid 1");
    assert_null(strstr(text, "node_credentials_expiry"));
    gauges.node_expires_ms = 0; /* with associations and no credentials: it needs none */
    render();
    assert_null(strstr(text, "node_credentials"));
}

/* However many statuses upstream makes up: the last place is for all others, and the text fits. */
static void many_statuses(void **state) {
    (void)state;
    for (int status = 400; status < 600; status++)
        metrics_response(status);
    gauges.with_associations = true;
    gauges.entries = gauges.bytes = gauges.waiting = SIZE_MAX;
    render();
    check_form();
    assert_non_null(strstr(text, "pod_identity_http_response{code=\"other\"} 1"));
    has_line("pod_identity_http_response{code=\"200\"} 2");
    unsigned long sum = 0;
    for (const char *at = text; (at = strstr(at, "pod_identity_http_response{code=")) != NULL; at++)
        sum += strtoul(strchr(at, '}') + 1, NULL, 10);
    assert_int_equal(sum, 203);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_the_start),
        cmocka_unit_test(counted),
        cmocka_unit_test(many_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
