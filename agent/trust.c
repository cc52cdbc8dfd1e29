#include "agent/trust.h"

#include <string.h>

#include "agent/exchange_sts.h"
#include "common/aws/endpoints.h"
#include "common/base/log.h"
#include "common/pod/agent_error.h"

#define TELL_EACH_MS 10000 /* of tokens that are refused: whoever likes can send one */

static struct claims_rules claims;
static struct api_server server;
static struct keys_settings keys_settings;
static struct associations_rules rules;
static struct exchange_sts_settings sts_settings;
static struct endpoint sts;
static int64_t tell_again_ms;

/* ---- the start ---- */

/* Keys of a user in the environment are no role's: they may be chained from for longer. */
static bool agent_is_role(injection_getenv *lookup) {
    const char *key = lookup("AWS_ACCESS_KEY_ID"), *session = lookup("AWS_SESSION_TOKEN");
    return key == NULL || key[0] == '\0' || (session != NULL && session[0] != '\0');
}

static void set_claims(const struct settings *s, injection_getenv *lookup) {
    const char *node = lookup("NODE_NAME");
    claims = (struct claims_rules){.issuer_count = s->issuer_count,
                                   .audience = s->audience,
                                   .node = node != NULL && node[0] != '\0' ? node : NULL};
    for (size_t i = 0; i < s->issuer_count; i++)
        claims.issuers[i] = s->issuers[i];
    if (claims.node == NULL)
        LOG(LOG_WARN, "tokens of pods on other nodes are taken, too: NODE_NAME is not set",
            LOG_TEXT("remedy", "let the DaemonSet set NODE_NAME from spec.nodeName"));
}

/* For the keys, to watch a ConfigMap, or to review tokens. */
static bool needs_server(const struct settings *s) {
    bool needed = s->jwks == NULL || s->token_review;
    for (size_t i = 0; i < s->association_count; i++)
        needed = needed || s->associations[i][0] != '/';
    return needed;
}

/* The ConfigMap that is watched, or that there are associations at all: a folder's name says nothing to a
 * pod.
 */
static void name_source(const struct settings *s) {
    const char *name = AGENT_ERROR_ASSOCIATIONS;
    for (size_t i = 0; i < s->association_count; i++) {
        if (s->associations[i][0] != '/' && strlen(s->associations[i]) <= EXCHANGE_SOURCE_MAX)
            name = s->associations[i];
    }
    exchange_source(name);
}

enum reason trust_open(const struct settings *s, injection_getenv *lookup, void (*changed)(void),
                       struct failure *f) {
    enum reason reason = endpoint_find(ENDPOINT_STS, NULL, lookup, &sts, f);
    if (reason == REASON_OK && needs_server(s))
        reason = api_server_open(&server, s->api_server, NULL, lookup, f);
    if (reason != REASON_OK)
        return reason;
    set_claims(s, lookup);
    rules = (struct associations_rules){.ceiling = s->exchange == FLAGS_ASSUME_ROLE ? EXCHANGE_ASSUME_ROLE
                                                                                    : EXCHANGE_WEB_IDENTITY,
                                        .maker = endpoint_is_aws(&sts) ? ROLE_ARN_AWS : ROLE_ARN_ANY,
                                        .agent_is_role = agent_is_role(lookup)};
    sts_settings = (struct exchange_sts_settings){.endpoint = &sts,
                                                  .cluster = s->cluster_name,
                                                  .cluster_arn = s->cluster_arn,
                                                  .pass_expired = s->pass_expired,
                                                  .review = s->token_review ? &server : NULL,
                                                  .audience = s->audience};
    exchange_sts_open(&sts_settings);
    name_source(s);
    reason = associations_open(&rules, &server, s->associations, s->association_count, changed, f);
    if (reason != REASON_OK)
        return reason;
    keys_settings = (struct keys_settings){
        .file = s->jwks, .server = s->jwks == NULL ? &server : NULL, .rules = &claims, .changed = changed};
    keys_open(&keys_settings);
    return REASON_OK;
}

bool trust_ready(void) {
    return associations_ready() && keys_ready();
}

void trust_explain(struct buf *out) {
    if (!keys_ready())
        buf_fmt(out, "not ready: the cluster's keys have not been read: %s\n",
                keys_failure()->message[0] != '\0' ? keys_failure()->message : "they are being read");
    if (!associations_ready())
        buf_str(out, "not ready: the associations have not been read: the agent's log says why\n");
}

const char *trust_file(void) {
    return keys_settings.file;
}

bool trust_needs_server(void) {
    return server.url[0] != '\0';
}

/* ---- tokens ---- */

static enum trust refused(struct trusted *out) {
    int64_t now_ms = clock_now().mono_ms;
    LOG(now_ms >= tell_again_ms ? LOG_WARN : LOG_DEBUG, "a token was refused",
        LOG_TEXT("code", out->token.code), LOG_TEXT("reason", out->token.why),
        LOG_TEXT("namespace", out->token.claims.namespace),
        LOG_TEXT("service_account", out->token.claims.service_account));
    if (now_ms >= tell_again_ms)
        tell_again_ms = now_ms + TELL_EACH_MS;
    exchange_error_say(&out->error, EXCHANGE_POD, 400, "", out->token.code, out->token.why, "client");
    return TRUST_NO;
}

static enum trust later(struct trusted *out, const char *why) {
    exchange_error_say(&out->error, EXCHANGE_WAY, 503, "", "ServiceUnavailableException", why, "server");
    return TRUST_NO;
}

/* As EKS Auth says it. */
static enum trust no_association(struct trusted *out, bool unusable) {
    const struct jwt_claims *c = &out->token.claims;
    char text[512];
    struct buf m = BUF(text);
    buf_str(&m, unusable ? "The pod identity association of service account "
                         : "No pod identity association found for service account ");
    buf_printable(&m, c->service_account, strlen(c->service_account), 253);
    buf_str(&m, " in namespace ");
    buf_printable(&m, c->namespace, strlen(c->namespace), 63);
    buf_str(&m, unusable ? " cannot be used: the agent's log says why." : ".");
    exchange_error_say(&out->error, EXCHANGE_POD, 404, "", "ResourceNotFoundException", text, "client");
    return TRUST_NO;
}

static enum trust find_association(struct trusted *out) {
    const struct jwt_claims *c = &out->token.claims;
    switch (associations_find(c->namespace, c->service_account, &out->association)) {
    case ASSOCIATION_FOUND:
        return TRUST_YES;
    case ASSOCIATION_UNKNOWN:
        return later(out, "the agent has not read its associations yet: its log says why");
    case ASSOCIATION_UNUSABLE:
        return no_association(out, true);
    default:
        return no_association(out, false);
    }
}

enum trust trust_judge(const char *token, size_t len, struct moment now, struct trusted *out) {
    switch (keys_judge(token, len, now, &out->token)) {
    case TOKEN_TRUSTED:
        return find_association(out);
    case TOKEN_REFUSED:
        return refused(out);
    case TOKEN_WAITS:
        return TRUST_WAITS;
    default:
        return later(out, "the agent has no keys of the cluster to judge tokens by: its log says why");
    }
}
