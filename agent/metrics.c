#include "agent/metrics.h"

#include <string.h>

#include "common/base/version.h"

#define STATUSES_MAX 32 /* that are told apart; AWS's and ours are some 20 */

/* What EKS Auth says, and STS in its place; anything else is "other", and no answer at all "none". */
static const char codes[][28] = {"none",
                                 "AccessDeniedException",
                                 "ExpiredTokenException",
                                 "InternalServerException",
                                 "InvalidParameterException",
                                 "InvalidRequestException",
                                 "InvalidTokenException",
                                 "ResourceNotFoundException",
                                 "ServiceUnavailableException",
                                 "ThrottlingException",
                                 "AccessDenied",
                                 "InvalidIdentityToken",
                                 "other"};
#define CODES (sizeof codes / sizeof codes[0])

/* Upper bounds. EKS Auth answers within some 100 ms, and a fetch has three attempts of some seconds. */
static const uint16_t bounds_ms[] = {25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 20000};
#define BOUNDS (sizeof bounds_ms / sizeof bounds_ms[0])

static struct {
    int status; /* 0: free; the last place is for all others */
    uint64_t count;
} responses[STATUSES_MAX];
static uint64_t limited[2], served, passed_expired;
static uint64_t cache[METRICS_CACHE_STATES], errors[2][CODES], validations[METRICS_VALIDATIONS];
static uint64_t upstream[2], within[BOUNDS + 1];
static int64_t upstream_total_ms;

void metrics_response(int status) {
    size_t i = 0;
    while (i + 1 < STATUSES_MAX && responses[i].status != status && responses[i].status != 0)
        i++;
    responses[i].status = status;
    responses[i].count++;
}

void metrics_limited(bool by_pod) {
    limited[by_pod]++;
}

void metrics_cache(enum metrics_cache state) {
    cache[state]++;
}

void metrics_served(void) {
    served++;
}

void metrics_passed_expired(void) {
    passed_expired++;
}

void metrics_cache_error(const char *code, bool ends) {
    size_t i = *code == '\0' ? 0 : 1;
    while (i > 0 && i + 1 < CODES && strcmp(codes[i], code) != 0)
        i++;
    errors[ends][i]++;
}

void metrics_validation(enum metrics_validation result) {
    validations[result]++;
}

void metrics_upstream(bool success, int64_t took_ms) {
    size_t bound = 0;
    while (bound < BOUNDS && took_ms > bounds_ms[bound])
        bound++;
    within[bound]++;
    upstream[success]++;
    upstream_total_ms += took_ms;
}

/* ---- rendering ---- */

#define OURS "pod_identity_agent_"

static void describe(struct buf *out, const char *name, const char *type, const char *help) {
    buf_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_seconds(struct buf *out, int64_t ms) {
    int64_t size = ms < 0 ? -ms : ms;
    buf_fmt(out, "%s%lld.%03d", ms < 0 ? "-" : "", (long long)(size / 1000), (int)(size % 1000));
}

static void put_gauge(struct buf *out, const char *name, const char *help, uint64_t value) {
    describe(out, name, "gauge", help);
    buf_fmt(out, "%s %llu\n", name, (unsigned long long)value);
}

static void put_gauge_seconds(struct buf *out, const char *name, const char *help, int64_t ms) {
    describe(out, name, "gauge", help);
    buf_fmt(out, "%s ", name);
    put_seconds(out, ms);
    buf_char(out, '\n');
}

static void put_labelled(struct buf *out, const char *name, const char *label, const char *value,
                         uint64_t n) {
    buf_fmt(out, "%s{%s=\"%s\"} %llu\n", name, label, value, (unsigned long long)n);
}

static void put_responses(struct buf *out) {
    static const char name[] = "pod_identity_http_response";
    describe(out, name, "counter", "Pod Identity http response code");
    for (size_t i = 0; i < STATUSES_MAX && responses[i].status != 0; i++) {
        if (i + 1 == STATUSES_MAX)
            put_labelled(out, name, "code", "other", responses[i].count);
        else
            buf_fmt(out, "%s{code=\"%d\"} %llu\n", name, responses[i].status,
                    (unsigned long long)responses[i].count);
    }
}

static void put_cache(struct buf *out) {
    static const char state[] = "pod_identity_cache_state",
                      error[] = "pod_identity_cache_errors", *const states[] = {"miss", "hit", "evicted"};
    describe(out, state, "counter",
             "The state of credential in cache. As in the EKS Pod Identity Agent, hit is a renewal that "
             "succeeded.");
    for (size_t i = 0; i < METRICS_CACHE_STATES; i++)
        put_labelled(out, state, "state", states[i], cache[i]);
    describe(out, error, "counter", "Renewals that failed; NonRecoverable: the credentials were dropped.");
    for (size_t i = 0; i < 2 * CODES; i++) {
        bool ends = i >= CODES;
        if (errors[ends][i % CODES] > 0)
            buf_fmt(out, "%s{type=\"%s\",code=\"%s\"} %llu\n", error, ends ? "NonRecoverable" : "Recoverable",
                    codes[i % CODES], (unsigned long long)errors[ends][i % CODES]);
    }
}

static void put_validations(struct buf *out, bool always) {
    static const char name[] = "pod_identity_local_validation", *const results[] = {"success", "failure",
                                                                                    "skipped"};
    bool any = always;
    for (size_t i = 0; i < METRICS_VALIDATIONS; i++)
        any = any || validations[i] > 0;
    if (!any)
        return;
    describe(out, name, "counter", "Outcome of local token validation: success, failure, or skipped");
    for (size_t i = 0; i < METRICS_VALIDATIONS; i++)
        put_labelled(out, name, "result", results[i], validations[i]);
}

static void put_upstream(struct buf *out) {
    static const char requests[] = OURS "upstream_requests_total";
    uint64_t sum = 0;
    describe(out, requests, "counter",
             "Fetches of credentials from AWS that have ended, attempts of one counted once.");
    put_labelled(out, requests, "result", "success", upstream[1]);
    put_labelled(out, requests, "result", "failure", upstream[0]);
    describe(out, OURS "upstream_duration_seconds", "histogram", "How long those took.");
    for (size_t i = 0; i <= BOUNDS; i++) {
        sum += within[i];
        buf_str(out, OURS "upstream_duration_seconds_bucket{le=\"");
        if (i < BOUNDS)
            put_seconds(out, bounds_ms[i]);
        else
            buf_str(out, "+Inf");
        buf_fmt(out, "\"} %llu\n", (unsigned long long)sum);
    }
    buf_str(out, OURS "upstream_duration_seconds_sum ");
    put_seconds(out, upstream_total_ms);
    buf_fmt(out, "\n" OURS "upstream_duration_seconds_count %llu\n", (unsigned long long)sum);
}

static void put_counters(struct buf *out) {
    static const char name[] = OURS "limited_total";
    describe(out, OURS "served_from_memory_total", "counter",
             "Answers with credentials for which AWS was not asked.");
    buf_fmt(out, OURS "served_from_memory_total %llu\n", (unsigned long long)served);
    describe(out, OURS "passed_expired_total", "counter",
             "Fetches whose credentials had expired and were passed on (--expired=pass).");
    buf_fmt(out, OURS "passed_expired_total %llu\n", (unsigned long long)passed_expired);
    describe(out, name, "counter",
             "Requests answered 429, or 503 as too many wait, by what was over its limit.");
    put_labelled(out, name, "by", "client", limited[0]);
    put_labelled(out, name, "by", "pod", limited[1]);
}

/* A gauge of 0 would look like credentials that end now: what is not there is left out. */
static void put_ends(struct buf *out, const struct metrics_gauges *g, int64_t now_ms) {
    if (g->nearest_expiry_ms != 0 && g->nearest_expiry_ms != CLOCK_NEVER)
        put_gauge_seconds(out, OURS "nearest_expiry_seconds",
                          "Time until the first credentials of a pod end.", g->nearest_expiry_ms - now_ms);
    if (g->with_associations && g->node_expires_ms == 0)
        return;
    put_gauge(out, OURS "node_credentials_valid", "1 if the agent has credentials of its own to sign with.",
              g->node_expires_ms > now_ms);
    if (g->node_expires_ms != 0 && g->node_expires_ms != CLOCK_NEVER)
        put_gauge_seconds(out, OURS "node_credentials_expiry_seconds", "Time until those end.",
                          g->node_expires_ms - now_ms);
}

void metrics_render(const struct metrics_gauges *g, struct moment now, struct buf *out) {
    describe(out, OURS "build_info", "gauge", "Always 1; the labels say what runs.");
    buf_fmt(out, OURS "build_info{version=\"%s\",revision=\"%s\"} 1\n", version_number(), version_revision());
    put_gauge(out, OURS "ready", "1 if /readyz says that the agent is ready.", g->ready);
    put_responses(out);
    put_cache(out);
    put_validations(out, g->with_associations);
    put_counters(out);
    put_upstream(out);
    put_gauge(out, OURS "entries", "Pods whose credentials are kept.", g->entries);
    put_gauge(out, OURS "entries_max", "As many can be kept (--max-cache-size).", g->entries_max);
    put_gauge(out, OURS "cache_bytes", "Bytes of their tokens and answers.", g->bytes);
    put_gauge(out, OURS "cache_bytes_max", "As many can be kept (--max-cache-bytes).", g->bytes_max);
    put_gauge(out, OURS "waiting", "Connections whose answer is not there yet.", g->waiting);
    put_gauge(out, OURS "upstream_in_flight", "Fetches from AWS under way.", g->in_flight);
    put_gauge(out, OURS "upstream_queued", "Fetches that wait for others to end (--max-concurrency).",
              g->queued);
    put_gauge(out, OURS "failures_remembered", "Denials that are answered from memory.",
              g->failures_remembered);
    put_gauge(out, OURS "connections", "Connections that are open now, on all listeners.", g->connections);
    put_ends(out, g, now.wall_ms);
    if (!g->with_associations)
        return;
    put_gauge(out, OURS "associations", "Service accounts with a role.", g->associations);
    put_gauge(out, OURS "associations_unusable", "Keys whose value cannot be used.",
              g->associations_unusable);
}
