#include "agent/pods.h"

#include <string.h>

#include "agent/complain.h"
#include "agent/exchange_eks_auth.h"
#include "agent/expired.h"
#include "agent/failures.h"
#include "agent/flights.h"
#include "agent/judge.h"
#include "agent/metrics.h"
#include "agent/pod_key.h"
#include "agent/renewals.h"
#include "agent/replies.h"
#include "agent/trust.h"
#include "common/base/far.h"
#include "common/base/log.h"
#include "common/base/timefmt.h"
#include "common/base/wipe.h"

#define JUDGING_COST 10 /* requests: so one client has 100 tokens judged a second, and 50 at once */
#define HEAD_MAX (PODS_ROOM + 8192) /* as much beside the token as other servers take in all */

static const struct settings *settings;
static bool caching;
static struct log_repeat way_failing; /* what is not about one pod */

/* By what a slot asks, where associations say it. */
struct basis {
    uint64_t association;
    unsigned generation;
};
static struct basis bases[EXCHANGE_SLOTS_MAX];

const struct request_extras pods_extras = {.head_max = HEAD_MAX};

/* ---- what becomes of a flight ---- */

static void log_failed(const struct flight *f, const struct exchange *slot, const struct exchange_error *e) {
    if (e->blame == EXCHANGE_POD) {
        LOG(LOG_INFO, f->renewal ? "a pod's renewal was denied" : "a pod was denied",
            LOG_TEXT("namespace", slot->claims.namespace),
            LOG_TEXT("service_account", slot->claims.service_account), LOG_TEXT("pod", slot->claims.pod),
            LOG_NUMBER("status", e->status), LOG_TEXT("answer", e->text));
        return;
    }
    log_failing(&way_failing, LOG_WARN,
                e->blame == EXCHANGE_NODE ? "credentials are not given to this node"
                                          : "credentials could not be fetched",
                e->code[0] != '\0'            ? e->code
                : slot->failure.cause != NULL ? slot->failure.cause
                                              : "",
                complain_told(&slot->failure));
}

static const struct answer *fail_pod(const struct flight *f, const struct exchange_error *e) {
    struct store_entry *entry = f->trusted ? store_find(&f->key) : NULL;
    struct moment now = clock_now();
    bool ends = entry != NULL && e->blame == EXCHANGE_POD;
    if (f->renewal)
        metrics_cache_error(e->code, ends);
    if (entry == NULL)
        failures_add(&f->token.hash, &f->client, e, now.mono_ms);
    if (ends) {
        metrics_cache(METRICS_EVICTED);
        store_remove(entry);
        entry = NULL;
    }
    if (entry != NULL)
        renewals_failed(entry, e->retry_after_ms);
    if (entry != NULL && renewals_usable(entry, now))
        return &entry->answer;
    return replies_outcome(e->status, e->text);
}

/* The entry of a pod that has got credentials; NULL if there is no place for it. */
static struct store_entry *keep(const struct flight *f, const struct exchange *slot, const char *body,
                                size_t len) {
    char head[256];
    struct buf h = BUF(head);
    struct keyed_hash key = f->trusted ? f->key : pod_key(&slot->claims, &f->key);
    uint64_t before = store_evicted();
    struct store_entry *e = store_put(&key, pod_key_space(&slot->claims));
    replies_head(len, &h);
    if (e != NULL && !(store_set_token(e, slot->token.text, slot->token.len, &f->token) &&
                       store_set_answer(e, head, body, len))) {
        if (e->text.first == 0)
            store_remove(e);
        else
            renewals_failed(e, 0); /* what it had is still good */
        e = NULL;
    }
    for (; before < store_evicted(); before++)
        metrics_cache(METRICS_EVICTED);
    if (e != NULL) {
        e->association = bases[slot->number].association;
        e->generation = bases[slot->number].generation;
    }
    return e;
}

static void log_got(const struct flight *f, const struct exchange *slot) {
    char id[CREDENTIALS_SHORT_ID_MAX], expires[TIME_UTC_MAX];
    if (!log_enabled(LOG_INFO))
        return;
    credentials_short_id(&slot->credentials, id);
    time_format_utc(slot->credentials.expires_ms / 1000, expires);
    LOG(LOG_INFO, f->renewal ? "credentials renewed" : "credentials fetched",
        LOG_TEXT("namespace", slot->claims.namespace),
        LOG_TEXT("service_account", slot->claims.service_account), LOG_TEXT("pod", slot->claims.pod),
        LOG_TEXT("access_key_id", id), LOG_TEXT("expires", expires));
}

static const struct answer *succeed(const struct flight *f, const struct exchange *slot) {
    FAR static char text[REPLIES_BODY_MAX];
    struct buf body = BUF(text);
    struct moment now = clock_now();
    const struct answer *a;
    replies_credentials(&slot->credentials, &body);
    log_mended(&way_failing, "credentials are fetched again");
    log_got(f, slot);
    expired_note(slot, now);
    failures_forget(&f->token.hash, &f->client);
    if (f->renewal)
        metrics_cache(METRICS_HIT);
    struct store_entry *e =
        caching && slot->ends_wall_ms > now.wall_ms ? keep(f, slot, body.data, body.len) : NULL;
    if (e != NULL) {
        e->asked = !f->renewal || f->first != NULL;
        renewals_fetched(e, slot->ends_wall_ms);
        a = &e->answer;
    } else {
        a = replies_passed(body.data, body.len);
    }
    buf_wipe(&body);
    return a;
}

/* Another association, or none, since it was asked: what came of the old one is nobody's. */
static bool outdated(const struct exchange *slot) {
    return settings->association_count > 0 &&
           associations_hash(slot->claims.namespace, slot->claims.service_account) !=
               bases[slot->number].association;
}

static const struct answer *outcome(struct flight *f, struct exchange *slot,
                                    const struct exchange_error *error) {
    metrics_upstream(error == NULL, clock_now().mono_ms - slot->started_ms);
    if (error == NULL && outdated(slot)) {
        exchange_fail(slot, EXCHANGE_POD, 503, "", "ServiceUnavailableException",
                      "the pod identity association changed while it was asked for: try again", "server");
        error = &slot->error;
    }
    if (error == NULL && expired_worse(f, slot, clock_now()))
        error = &slot->error;
    if (error == NULL)
        return succeed(f, slot);
    log_failed(f, slot, error);
    return fail_pod(f, error);
}

/* Judged again: keys and associations may be others since the flight was queued, or the entry fetched. */
static const struct exchange_method *prepare_associated(struct flight *f, struct exchange *slot,
                                                        const struct answer **answer) {
    static struct trusted judged;
    enum trust trust = trust_judge(slot->token.text, slot->token.len, clock_now(), &judged);
    slot->claims = judged.token.claims;
    if (trust == TRUST_YES) {
        slot->association = &judged.association;
        bases[slot->number] = (struct basis){judged.association.hash, associations_generation()};
        return &exchange_sts;
    }
    if (trust == TRUST_WAITS)
        exchange_error_say(&judged.error, EXCHANGE_WAY, 503, "", "ServiceUnavailableException",
                           "the cluster's keys are being read: try again", "server");
    slot->error = judged.error;
    struct buf m = failure_begin(&slot->failure, REASON_AWS_UNREACHABLE); /* not what that slot met before */
    buf_str(&m, slot->error.text);
    log_failed(f, slot, &slot->error);
    *answer = fail_pod(f, &slot->error);
    return NULL;
}

/* The claims are read again: a flight in the queue keeps its token alone. */
static const struct exchange_method *prepare(struct flight *f, struct exchange *slot,
                                             const struct answer **answer) {
    char text[REPLIES_TEXT_MAX];
    struct buf error = BUF(text);
    if (settings->association_count > 0)
        return prepare_associated(f, slot, answer);
    if (judge_token(slot->token.text, slot->token.len, &slot->claims, &error))
        return &exchange_eks_auth;
    *answer = replies_outcome(400, text);
    return NULL;
}

static void retire_entry(struct store_entry *e, bool removed) {
    if (removed)
        renewals_forget(e);
    server_retire(&e->answer);
}

/* ---- requests ---- */

static bool limited; /* what pick() has just returned is the limiter's */

static const struct answer *limit(bool by_pod) {
    metrics_limited(by_pod);
    limited = true;
    return replies_fixed(REPLIES_LIMITED);
}

static const struct answer *refused(int status, const char *text) {
    return replies_error(status, text);
}

static const struct answer *wait_for(struct connection *c, const struct flights_wish *wish) {
    if (flights_join(c, wish))
        return NULL;
    metrics_limited(false);
    return replies_fixed(REPLIES_BUSY);
}

/* A trusted token: its entry is its own. */
static const struct answer *serve_known(struct connection *c, const struct flights_wish *wish,
                                        struct store_entry *e, const struct store_token *token,
                                        struct moment now) {
    char text[REPLIES_TEXT_MAX];
    struct buf error = BUF(text);
    if (!judge_times(token->expires_s, 0, now.wall_ms, &error))
        return refused(400, text);
    if (!client_bucket_take(&e->bucket, now.mono_ms)) {
        return limit(true);
    }
    store_touch(e);
    renewals_asked(e);
    struct moment soon = {.mono_ms = now.mono_ms + RENEWALS_LAST_MS,
                          .wall_ms = now.wall_ms + RENEWALS_LAST_MS};
    if (renewals_usable(e, soon)) {
        metrics_served();
        return &e->answer;
    }
    struct flights_wish own = *wish;
    own.key = e->key;
    own.trusted = true;
    own.text = NULL;
    own.token = e->tokens[0];
    metrics_cache(METRICS_MISS);
    return wait_for(c, &own);
}

/* ---- where associations say what a pod gets ---- */

/* Whether the entry is what its pod's association says now. */
static bool still_associated(struct store_entry *e) {
    FAR static struct token token;
    static struct jwt_claims claims;
    if (settings->association_count == 0 || e->generation == associations_generation())
        return true;
    store_copy(&e->token, token.text);
    token.len = e->token.len;
    bool same = jwt_inspect_unverified(token.text, token.len, &claims, NULL) == ERR_OK &&
                associations_hash(claims.namespace, claims.service_account) == e->association;
    token_wipe(&token);
    if (same)
        e->generation = associations_generation();
    return same;
}

/* The next token of a pod that is known: its entry learns it, unless it ends before the one that it has. */
static const struct answer *serve_rotated(struct connection *c, const struct flights_wish *wish,
                                          struct store_entry *e, struct moment now) {
    if (wish->token.expires_s >= e->tokens[0].expires_s)
        (void)store_set_token(e, wish->text, wish->text_len, &wish->token);
    return serve_known(c, wish, e, &wish->token, now);
}

/* A signature takes as long to check as many cached answers to give: a client pays for it out of the same
 * bucket. */
static bool pay_for_judging(struct client *client, struct moment now) {
    for (int i = 1; i < JUDGING_COST; i++) {
        if (!client_bucket_take(&client->bucket, now.mono_ms))
            return false;
    }
    return true;
}

static const struct answer *serve_judged(struct connection *c, struct flights_wish *wish, struct moment now) {
    static struct trusted judged;
    if (!pay_for_judging(wish->client, now)) {
        return limit(false);
    }
    enum trust trust = trust_judge(wish->text, wish->text_len, now, &judged);
    if (trust != TRUST_WAITS)
        metrics_validation(trust == TRUST_YES ? METRICS_SUCCESS : METRICS_FAILURE);
    if (trust == TRUST_NO) {
        failures_add(&wish->key, wish->address, &judged.error, now.mono_ms);
        return refused(judged.error.status, judged.error.text);
    }
    wish->judging = trust == TRUST_WAITS;
    if (trust == TRUST_YES) {
        wish->key = pod_key(&judged.token.claims, &wish->key);
        wish->trusted = true;
        struct store_entry *e = store_find(&wish->key);
        if (e != NULL && still_associated(e))
            return serve_rotated(c, wish, e, now);
        if (e != NULL)
            store_remove(e);
    }
    metrics_cache(METRICS_MISS);
    return wait_for(c, wish);
}

/* Of a token that waits for the cluster's keys. */
static bool judge_waiting(struct flight *f, const char *token, size_t len, const struct answer **answer) {
    static struct trusted judged;
    struct moment now = clock_now();
    enum trust trust = trust_judge(token, len, now, &judged);
    if (trust == TRUST_NO) {
        failures_add(&f->token.hash, &f->client, &judged.error, now.mono_ms);
        *answer = replies_outcome(judged.error.status, judged.error.text);
    }
    if (trust != TRUST_YES)
        return false;
    struct keyed_hash key = pod_key(&judged.token.claims, &f->key);
    flights_trust(f, &key);
    return true;
}

void pods_reconsider(void) {
    failures_forget_all();
    flights_judge_all(judge_waiting);
}

/* A token that nobody has taken yet. Only here is it known by its strong hash. */
static const struct answer *serve_unknown(struct connection *c, struct flights_wish *wish,
                                          struct moment now) {
    static struct jwt_claims claims;
    char text[REPLIES_TEXT_MAX];
    struct buf error = BUF(text);
    wish->key = pod_key_of_token(wish->text, wish->text_len);
    if (!judge_token(wish->text, wish->text_len, &claims, &error) ||
        !judge_times(claims.expires_s, claims.not_before_s, now.wall_ms, &error))
        return refused(400, text);
    const struct exchange_error *failed = failures_find(&wish->key, wish->address, now.mono_ms);
    if (failed != NULL)
        return refused(failed->status, failed->text);
    wish->token.hash = wish->key;
    wish->token.expires_s = claims.expires_s;
    if (settings->association_count > 0)
        return serve_judged(c, wish, now);
    metrics_cache(METRICS_MISS);
    return wait_for(c, wish);
}

static const struct answer *serve_token(struct connection *c, const struct client_address *address,
                                        struct client *client, const struct request *r, struct moment now) {
    const char *token = r->room.text;
    size_t len = r->authorization_len;
    if (len == 0 && r->room_used > 0)
        return refused(400, "Service account token cannot be parsed: token has more than 65536 characters");
    if (len == 0)
        return refused(400, "Service account token cannot be empty");
    struct flights_wish wish = {.token.place = keyed_hash_place(token, len),
                                .address = address,
                                .client = client,
                                .text = token,
                                .text_len = len};
    const struct store_token *which;
    struct store_entry *e = store_find_token(wish.token.place, token, len, &which);
    if (e != NULL && !still_associated(e)) {
        metrics_cache(METRICS_EVICTED);
        store_remove(e);
        e = NULL;
    }
    return e != NULL ? serve_known(c, &wish, e, which, now) : serve_unknown(c, &wish, now);
}

static const struct answer *pick(struct connection *c, const struct request *r) {
    char text[REPLIES_TEXT_MAX];
    struct buf out = BUF(text);
    if (strcmp(r->path, JUDGE_PATH) != 0) {
        if (r->path[0] != '\0' && judge_clean_path(r->path, &out))
            return replies_redirect(out.data, r->method == REQUEST_GET || r->method == REQUEST_HEAD);
        return replies_fixed(REPLIES_NOT_FOUND);
    }
    struct moment now = loop_now(); /* of this round: a cached answer takes microseconds */
    const struct client_address *address = client_address_of(c);
    struct client *client = client_find(address, now.mono_ms);
    if (client == NULL || !client_bucket_take(&client->bucket, now.mono_ms)) {
        return limit(false);
    }
    buf_reset(&out);
    if (!judge_host(r->host, &out))
        return refused(403, text);
    return serve_token(c, address, client, r, now);
}

static const struct answer *refuse(const struct server_listener *listener, int status) {
    (void)listener;
    return replies_refuse(status);
}

static void answered(const struct server_listener *listener, const struct request *r, int status) {
    (void)listener;
    if (!limited)
        metrics_response(status);
    limited = false;
    if (!log_enabled(LOG_DEBUG)) /* formatting costs more than answering */
        return;
    LOG(LOG_DEBUG, "request", LOG_TEXT("path", r != NULL ? r->path : JUDGE_PATH),
        LOG_NUMBER("status", status), LOG_TEXT("error", r != NULL && r->error != NULL ? r->error : ""));
}

/* What is valid is handed out, whatever it waited for. */
static const struct answer *late(struct connection *c) {
    const struct flight *f = c->waiting.on;
    const struct store_entry *e = f != NULL && f->trusted ? store_find(&f->key) : NULL;
    flights_gone(c);
    if (e != NULL && renewals_usable(e, clock_now()))
        return &e->answer;
    return replies_fixed(REPLIES_LATE);
}

const struct server_handlers pods_handlers = {
    .pick = pick, .refuse = refuse, .answered = answered, .gone = flights_gone, .late = late};

/* ---- all ---- */

void pods_open(const struct settings *given) {
    static const struct flights_owner owner = {
        .prepare = prepare, .outcome = outcome, .freed = renewals_go_on};
    settings = given;
    caching = settings->cache_size > 0 && settings->retention_ms > 0;
    replies_open(server_retire);
    store_open(caching ? settings->cache_size : 0, settings->cache_bytes, retire_entry);
    renewals_open(settings->service_qps, settings->retention_ms);
    flights_open(&owner, settings->max_concurrency);
}

void pods_close(void) {
    flights_close();
    store_close();
    replies_wipe();
}
