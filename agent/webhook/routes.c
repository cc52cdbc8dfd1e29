#include "agent/webhook/routes.h"

#include <string.h>
#include <sys/random.h>

#include "agent/webhook/reloads.h"
#include "agent/webhook/sources.h"
#include "agent/webhook/webhook_metrics.h"
#include "agent/webhook/webhook_replies.h"
#include "common/base/clock.h"
#include "common/base/far.h"
#include "common/serve/request_body.h"

static const struct webhook_settings *settings;
static bool ending;
FAR static char patch_text[ADMISSION_PATCH_MAX + 1];

const struct request_extras routes_extras = {
    .headers = REQUEST_BODY_HEADERS, .body_kept = ROUTES_BODY_MAX, .body_read = ROUTES_BODY_READ_MAX};

/* ---- reviews ---- */

static void tell(const struct admission_outcome *o, bool patched) {
    const struct log_field namespace = LOG_TEXT("namespace", o->namespace), pod = LOG_TEXT("pod", o->name),
                           why = LOG_TEXT("why", o->why),
                           identity = LOG_TEXT("identity", o->identity ? "yes" : "no"),
                           toolkit = LOG_TEXT("toolkit", o->toolkit ? "yes" : "no"),
                           dry_run = LOG_TEXT("dry_run", o->dry_run ? "yes" : "no"),
                           warnings = LOG_NUMBER("warnings", (int64_t)o->warnings);
    if (!o->allowed)
        LOG(LOG_WARN, "refused", namespace, pod, why);
    else if (o->problem)
        LOG(LOG_WARN, "let through with a warning", namespace, pod, why);
    if (patched)
        LOG(LOG_INFO, "injected", namespace, pod, identity, toolkit, dry_run, warnings);
    else
        LOG(LOG_DEBUG, "not injected", namespace, pod, dry_run, warnings);
}

static const struct answer *review(const struct request *r, bool namespace_wide) {
    char problem_text[ADMISSION_PROBLEM_MAX];
    struct buf problem = BUF(problem_text), patch = BUF(patch_text), answer = webhook_replies_begin();
    struct admission_call call = {.toolkit_always = namespace_wide};
    const char *body = r->body.bytes != NULL ? r->body.bytes : "";
    struct admission_outcome outcome;
    /* The life of a token is no secret: without random bytes it is the same for all. */
    (void)getrandom(&call.random, sizeof call.random, GRND_NONBLOCK);
    enum admission_kind kind = r->body.dropped ? admission_large(sources_rules(), body, r->body.len,
                                                                 ROUTES_BODY_MAX, &answer, &outcome, &problem)
                                               : admission_review(sources_rules(), &call, body, r->body.len,
                                                                  &patch, &answer, &outcome, &problem);
    if (kind == ADMISSION_MALFORMED) {
        webhook_metrics_failed();
        LOG(LOG_WARN, "a request is no review of a pod", LOG_TEXT("problem", problem_text));
        return webhook_replies_error(400, problem_text);
    }
    webhook_metrics_review(&outcome, patch.len > 0);
    tell(&outcome, patch.len > 0);
    return webhook_replies_review(&answer);
}

static const struct answer *pick_review(struct connection *c, const struct request *r) {
    (void)c;
    bool namespace_wide = strcmp(r->path, "/mutate/namespace") == 0;
    if (!namespace_wide && strcmp(r->path, "/mutate") != 0)
        return webhook_replies_error(
            404, "404 page not found: reviews are taken at /mutate and /mutate/namespace");
    if (r->method != REQUEST_POST)
        return webhook_replies_error(405, "405 method not allowed: a review is sent by POST");
    return review(r, namespace_wide);
}

/* ---- metrics and probes ---- */

static bool ready(void) {
    return !ending && reloads_certificate_valid();
}

static const struct answer *put_metrics(void) {
    struct buf body = webhook_replies_page_begin();
    struct webhook_gauges gauges = {.ready = ready(),
                                    .with_associations = settings->association_count > 0,
                                    .connections = server_connections(),
                                    .now_s = clock_now().wall_ms / 1000,
                                    .tls = tls_server_counts()};
    (void)tls_server_dates(&gauges.dates);
    sources_count(&gauges.associations, &gauges.associations_unusable);
    webhook_metrics_render(&gauges, &body);
    return webhook_replies_page(200, "text/plain; version=0.0.4; charset=utf-8", &body);
}

static const struct answer *pick_metrics(struct connection *c, const struct request *r) {
    (void)c;
    if (r->method != REQUEST_GET && r->method != REQUEST_HEAD)
        return webhook_replies_error(405, "405 method not allowed");
    if (strcmp(r->path, "/metrics") == 0)
        return put_metrics();
    bool health = strcmp(r->path, "/healthz") == 0;
    if (!health && strcmp(r->path, "/readyz") != 0)
        return webhook_replies_error(404, "404 page not found");
    if (health || ready())
        return webhook_replies_error(200, "ok");
    return webhook_replies_error(503, ending ? "ending" : "the certificate is not valid now");
}

static const struct answer *refuse(const struct server_listener *listener, int status) {
    (void)listener;
    return webhook_replies_refuse(status);
}

static void answered(const struct server_listener *listener, const struct request *r, int status) {
    (void)listener, (void)r, (void)status;
}

const struct server_handlers routes_review = {.pick = pick_review, .refuse = refuse, .answered = answered};
const struct server_handlers routes_metrics = {.pick = pick_metrics, .refuse = refuse, .answered = answered};

void routes_open(const struct webhook_settings *given) {
    settings = given;
    webhook_replies_open(server_writes, server_retire);
}

void routes_ending(void) {
    ending = true;
}
