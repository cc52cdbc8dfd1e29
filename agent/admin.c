#include "agent/admin.h"

#include <string.h>

#include "agent/associations.h"
#include "agent/failures.h"
#include "agent/flights.h"
#include "agent/metrics.h"
#include "agent/node.h"
#include "agent/probes.h"
#include "agent/renewals.h"
#include "agent/replies.h"

static const struct settings *settings;

static const struct answer *probe_page(const struct request *r) {
    struct buf body = replies_page_begin();
    int status = probes_answer(settings, r->path, &body);
    return replies_page_end(status, "text/plain; charset=utf-8", &body);
}

static const struct answer *pick_probe(struct connection *c, const struct request *r) {
    (void)c;
    return probe_page(r);
}

static const struct answer *pick_metrics(struct connection *c, const struct request *r) {
    (void)c;
    if (strcmp(r->path, "/metrics") != 0)
        return probe_page(r);
    struct moment now = clock_now();
    struct buf body = replies_page_begin();
    size_t associations = 0, unusable = 0;
    if (settings->association_count > 0)
        associations_count(&associations, &unusable);
    const struct metrics_gauges gauges = {
        .entries = store_count(),
        .entries_max = store_count_max(),
        .bytes = store_bytes(),
        .bytes_max = store_bytes_max(),
        .waiting = flights_waiting(),
        .in_flight = flights_under_way(),
        .queued = flights_queued(),
        .failures_remembered = failures_count(now.mono_ms),
        .connections = server_connections(),
        .nearest_expiry_ms = renewals_nearest_expiry_ms(),
        .node_expires_ms = settings->association_count == 0 ? node_expires_ms() : 0,
        .with_associations = settings->association_count > 0,
        .associations = associations,
        .associations_unusable = unusable,
        .ready = probes_ready(settings),
    };
    metrics_render(&gauges, now, &body);
    return replies_page_end(200, "text/plain; version=0.0.4; charset=utf-8", &body);
}

static const struct answer *refuse(const struct server_listener *listener, int status) {
    (void)listener;
    return replies_refuse(status);
}

static void answered(const struct server_listener *listener, const struct request *r, int status) {
    (void)listener, (void)r, (void)status;
}

const struct server_handlers admin_probe_handlers = {
    .pick = pick_probe, .refuse = refuse, .answered = answered};
const struct server_handlers admin_metrics_handlers = {
    .pick = pick_metrics, .refuse = refuse, .answered = answered};

void admin_open(const struct settings *given) {
    settings = given;
}
