#include "agent/webhook/webhook_metrics.h"

#define OURS "pod_identity_webhook_"

enum result { PATCHED, UNCHANGED, REFUSED, FAILED, RESULTS };

static uint64_t results[RESULTS], identities, toolkits, problems, reloads_failed[WEBHOOK_FILES];

void webhook_metrics_review(const struct admission_outcome *outcome, bool patched) {
    results[!outcome->allowed ? REFUSED : patched ? PATCHED : UNCHANGED]++;
    identities += outcome->identity;
    toolkits += outcome->toolkit;
    problems += outcome->problem;
}

void webhook_metrics_failed(void) {
    results[FAILED]++;
}

void webhook_metrics_reload_failed(enum webhook_file file) {
    reloads_failed[file]++;
}

/* ---- rendering ---- */

static void describe(struct buf *out, const char *name, const char *type, const char *help) {
    buf_fmt(out, "# HELP " OURS "%s %s\n# TYPE " OURS "%s %s\n", name, help, name, type);
}

static void put_labelled(struct buf *out, const char *name, const char *label, const char *value,
                         uint64_t n) {
    buf_fmt(out, OURS "%s{%s=\"%s\"} %llu\n", name, label, value, (unsigned long long)n);
}

static void put_one(struct buf *out, const char *name, const char *type, const char *help, int64_t n) {
    describe(out, name, type, help);
    buf_fmt(out, OURS "%s %lld\n", name, (long long)n);
}

static void put_reviews(struct buf *out) {
    static const char *const names[RESULTS] = {"patched", "unchanged", "refused", "failed"};
    describe(out, "reviews_total", "counter", "Reviews, by what became of them; failed: it was none");
    for (size_t i = 0; i < RESULTS; i++)
        put_labelled(out, "reviews_total", "result", names[i], results[i]);
    describe(out, "injections_total", "counter", "Pods that were given something, by kind");
    put_labelled(out, "injections_total", "kind", "identity", identities);
    put_labelled(out, "injections_total", "kind", "toolkit", toolkits);
    put_one(out, "problems_total", "counter", "Pods that asked for what cannot be done", (int64_t)problems);
}

static void put_files(const struct webhook_gauges *g, struct buf *out) {
    static const char *const names[WEBHOOK_FILES] = {"certificate", "template", "associations"};
    describe(out, "reload_failures_total", "counter", "Times that a changed file could not be used");
    for (size_t i = 0; i < WEBHOOK_FILES; i++)
        put_labelled(out, "reload_failures_total", "file", names[i], reloads_failed[i]);
    put_one(out, "certificate_expiry_seconds", "gauge", "Seconds until the certificate ends",
            g->dates.until_s - g->now_s);
    if (g->dates.client_ca_until_s != 0)
        put_one(out, "client_ca_expiry_seconds", "gauge", "Seconds until the authority of clients ends",
                g->dates.client_ca_until_s - g->now_s);
    if (!g->with_associations)
        return;
    put_one(out, "associations", "gauge", "Associations that can be used", (int64_t)g->associations);
    put_one(out, "associations_unusable", "gauge", "Keys of associations whose values cannot be used",
            (int64_t)g->associations_unusable);
}

static void put_tls(const struct webhook_gauges *g, struct buf *out) {
    describe(out, "tls_handshakes_total", "counter", "TLS handshakes, by how they ended");
    put_labelled(out, "tls_handshakes_total", "result", "full", g->tls.handshakes - g->tls.resumed);
    put_labelled(out, "tls_handshakes_total", "result", "resumed", g->tls.resumed);
    put_labelled(out, "tls_handshakes_total", "result", "failed", g->tls.failed);
    put_one(out, "connections", "gauge", "Open connections", (int64_t)g->connections);
}

void webhook_metrics_render(const struct webhook_gauges *g, struct buf *out) {
    put_one(out, "ready", "gauge", "1 if it answers the API server", g->ready);
    put_reviews(out);
    put_files(g, out);
    put_tls(g, out);
}
