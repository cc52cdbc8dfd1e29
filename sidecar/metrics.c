#include "sidecar/metrics.h"

#include <stddef.h>

#include "common/base/clock.h"
#include "common/base/version.h"
#include "common/serve/server.h"

static const enum reason reasons[] = {
    REASON_OK,
    REASON_TOKEN_UNREADABLE,
    REASON_TOKEN_INVALID,
    REASON_SETTING_INVALID,
    REASON_AGENT_UNREACHABLE,
    REASON_ACCESS_DENIED,
    REASON_THROTTLED,
    REASON_BAD_RESPONSE,
    REASON_AWS_UNREACHABLE,
    REASON_TLS_FAILED,
    REASON_UNEXPECTED_IDENTITY,
    REASON_INTERNAL,
};
#define REASONS (sizeof reasons / sizeof reasons[0])

static const uint16_t statuses[] = {200, 400, 401, 403, 404, 405, 413, 414, 429, 431, 501, 503, 505};
#define STATUSES (sizeof statuses / sizeof statuses[0])

/* Upper bounds. A warm agent answers within a few milliseconds, a cold one within three attempts of a second.
 */
static const uint16_t bounds_ms[] = {5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000};
#define BOUNDS (sizeof bounds_ms / sizeof bounds_ms[0])

static uint64_t refreshes[REASONS];
static uint64_t within[BOUNDS + 1]; /* by the first bound that it did not exceed; the last one: none */
static int64_t upstream_total_ms;
static uint64_t requests[LISTENERS + ANSWERS_PROFILES_MAX][STATUSES]; /* the last: sockets of profiles */
static uint64_t files[2];
static uint64_t tokens[METRICS_TOKENS];
static int64_t fetched_wall_ms[ANSWERS_PROFILES_MAX], expires_wall_ms[ANSWERS_PROFILES_MAX];
static const char *const *names;
static size_t profiles = 1;

void metrics_refreshed(enum reason reason, int64_t took_ms) {
    size_t i = 0, bound = 0;
    while (i + 1 < REASONS && reasons[i] != reason)
        i++;
    refreshes[i]++;
    while (bound < BOUNDS && took_ms > bounds_ms[bound])
        bound++;
    within[bound]++;
    upstream_total_ms += took_ms;
}

void metrics_open(const char *const *given, size_t count) {
    names = given;
    profiles = count;
}

void metrics_serving(size_t profile, int64_t fetched_ms, int64_t expires_ms) {
    fetched_wall_ms[profile] = fetched_ms;
    expires_wall_ms[profile] = expires_ms;
}

void metrics_files(bool written) {
    files[written]++;
}

void metrics_token(enum metrics_token result) {
    tokens[result]++;
}

void metrics_request(enum listener listener, size_t view, int status) {
    size_t i = 0, row = view == ANSWERS_ALL ? (size_t)listener : LISTENERS + view;
    while (i + 1 < STATUSES && statuses[i] != status)
        i++;
    requests[row][i]++;
}

/* ---- rendering ---- */

static void describe(struct buf *out, const char *name, const char *type, const char *help) {
    buf_fmt(out, "# HELP pod_identity_%s %s\n# TYPE pod_identity_%s %s\n", name, help, name, type);
}

static void put_seconds(struct buf *out, int64_t ms) {
    int64_t size = ms < 0 ? -ms : ms;
    buf_fmt(out, "%s%lld.%03d", ms < 0 ? "-" : "", (long long)(size / 1000), (int)(size % 1000));
}

/* The start of a sample: with one profile, which has no label, as with many. */
static void put_name(struct buf *out, const char *name, size_t profile) {
    buf_fmt(out, "pod_identity_%s", name);
    if (profiles > 1)
        buf_fmt(out, "{profile=\"%s\"}", names[profile]);
    buf_char(out, ' ');
}

static void put_refreshes(struct buf *out) {
    describe(out, "refreshes_total", "counter",
             "Upstream requests for credentials that have ended, by result.");
    for (size_t i = 0; i < REASONS; i++)
        buf_fmt(out, "pod_identity_refreshes_total{result=\"%s\",reason=\"%s\"} %llu\n",
                i == 0 ? "success" : "failure", reason_name(reasons[i]), (unsigned long long)refreshes[i]);
}

static void put_latency(struct buf *out) {
    uint64_t sum = 0;
    describe(out, "upstream_duration_seconds", "histogram", "How long those requests took.");
    for (size_t i = 0; i <= BOUNDS; i++) {
        sum += within[i];
        buf_str(out, "pod_identity_upstream_duration_seconds_bucket{le=\"");
        if (i < BOUNDS)
            put_seconds(out, bounds_ms[i]);
        else
            buf_str(out, "+Inf");
        buf_fmt(out, "\"} %llu\n", (unsigned long long)sum);
    }
    buf_str(out, "pod_identity_upstream_duration_seconds_sum ");
    put_seconds(out, upstream_total_ms);
    buf_fmt(out, "\npod_identity_upstream_duration_seconds_count %llu\n", (unsigned long long)sum);
}

/* Of each profile that has credentials: a gauge of 0 would look like some that end now. */
static void put_times(struct buf *out, size_t view, const char *name, const char *help, const int64_t *from,
                      const int64_t *to, int64_t now) {
    bool described = false;
    for (size_t i = 0; i < profiles; i++) {
        if (expires_wall_ms[i] == 0 || !answers_may_see(view, i))
            continue;
        if (!described)
            describe(out, name, "gauge", help);
        described = true;
        put_name(out, name, i);
        put_seconds(out, (to != NULL ? to[i] : now) - (from != NULL ? from[i] : now));
        buf_char(out, '\n');
    }
}

static void put_flag(struct buf *out, size_t view, const char *name, const char *help, bool expired) {
    int64_t now = clock_now().wall_ms;
    describe(out, name, "gauge", help);
    for (size_t i = 0; i < profiles; i++) {
        if (!answers_may_see(view, i))
            continue;
        put_name(out, name, i);
        buf_fmt(out, "%d\n",
                expired ? expires_wall_ms[i] != 0 && expires_wall_ms[i] <= now : expires_wall_ms[i] > now);
    }
}

static void put_credentials(struct buf *out, size_t view) {
    static const int64_t epoch[ANSWERS_PROFILES_MAX];
    int64_t now = clock_now().wall_ms;
    put_flag(out, view, "credentials_valid", "1 if valid credentials are served.", false);
    put_flag(out, view, "credentials_passed_expired",
             "1 if what is served has expired, and is passed on (--expired=pass).", true);
    put_times(out, view, "credentials_expiry_seconds", "Time until the served credentials end.", NULL,
              expires_wall_ms, now);
    put_times(out, view, "credentials_age_seconds", "Time since the served credentials were fetched.",
              fetched_wall_ms, NULL, now);
    put_times(out, view, "credentials_expiration_timestamp_seconds",
              "When the served credentials end, unix time.", epoch, expires_wall_ms, now);
}

/* Of a listener of the sidecar's own, or, from row LISTENERS on, of a profile's socket. */
static void put_counted(struct buf *out, size_t row) {
    bool own = row < LISTENERS;
    for (size_t i = 0; i < STATUSES; i++) {
        if (requests[row][i] == 0 && (i > 0 || !own))
            continue;
        buf_fmt(out, "pod_identity_requests_total{listener=\"%s\",",
                listener_name(own ? (enum listener)row : LISTENER_SOCKET));
        if (!own)
            buf_fmt(out, "profile=\"%s\",", names[row - LISTENERS]);
        buf_fmt(out, "code=\"%d\"} %llu\n", statuses[i], (unsigned long long)requests[row][i]);
    }
}

/* Only what was counted: most of the combinations cannot happen. */
static void put_requests(struct buf *out, size_t view) {
    describe(out, "requests_total", "counter", "Answered requests, by listener and status.");
    for (size_t row = 0; row < LISTENERS + profiles; row++) {
        if (view == ANSWERS_ALL || row == LISTENERS + view)
            put_counted(out, row);
    }
}

static void put_connections(struct buf *out) {
    describe(out, "connections", "gauge", "Connections that are open now, on all listeners.");
    buf_fmt(out, "pod_identity_connections %zu\n", server_connections());
}

static void put_files(struct buf *out) {
    describe(out, "file_writes_total", "counter",
             "Times that the credentials files were written, all of them or not.");
    for (int i = 1; i >= 0; i--)
        buf_fmt(out, "pod_identity_file_writes_total{result=\"%s\"} %llu\n", i == 1 ? "success" : "failure",
                (unsigned long long)files[i]);
}

static void put_tokens(struct buf *out) {
    static const char results[METRICS_TOKENS][8] = {"signed", "kept", "limited", "refused"};
    describe(out, "tokens_total", "counter", "Signed tokens, by result.");
    for (int i = 0; i < METRICS_TOKENS; i++)
        buf_fmt(out, "pod_identity_tokens_total{result=\"%s\"} %llu\n", results[i],
                (unsigned long long)tokens[i]);
}

const struct answer *metrics_answer(size_t view) {
    struct buf out = answers_moment_begin();
    describe(&out, "build_info", "gauge", "Always 1; the labels say what runs.");
    buf_fmt(&out, "pod_identity_build_info{version=\"%s\",revision=\"%s\"} 1\n", version_number(),
            version_revision());
    put_credentials(&out, view);
    if (view == ANSWERS_ALL) {
        put_refreshes(&out);
        put_latency(&out);
        put_files(&out);
        put_tokens(&out);
    }
    put_requests(&out, view);
    if (view == ANSWERS_ALL)
        put_connections(&out);
    return answers_moment_end(&out, "");
}
