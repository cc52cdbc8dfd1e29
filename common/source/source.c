#include "common/source/source.h"

#include <string.h>

#include "common/aws/eksauth.h"
#include "common/aws/identity_expect.h"
#include "common/base/log.h"
#include "common/base/owner.h"
#include "common/base/wipe.h"
#include "common/source/source_settings.h"

#define USABLE_MS 60000 /* a hop that cannot be renewed is used until so long before its end */

const char *source_name(enum source_kind kind) {
    return source_names[kind];
}

/* ---- what no message may show ---- */

/* The token is read again, as it is kept nowhere: one that the kubelet has replaced since still looks like
 * one. The room for it is free, as each request is forgotten once it has started. */
static void visit_secrets(struct secret_holder *holder, secrets_take *take, void *context) {
    const struct source *s = OWNER(holder, struct source, secrets);
    struct failure unreadable;
    for (size_t i = 0; i < s->hop_count; i++) {
        const struct credentials *c = &s->hops[i].credentials;
        take(context, c->secret_access_key, strlen(c->secret_access_key));
        take(context, c->session_token, strlen(c->session_token));
    }
    take(context, s->node.session, strlen(s->node.session));
    if (s->injection.token_path[0] == '\0')
        return;
    if (token_file_read(s->injection.token_path, &s->scratch->token, &unreadable) == REASON_OK)
        take(context, s->scratch->token.text, s->scratch->token.len);
    token_wipe(&s->scratch->token);
}

/* ---- opening ---- */

static bool set(const char *value) {
    return value != NULL && *value != '\0';
}

static void add_hop(struct source *s, enum hop_kind kind, const struct sts_role *role) {
    struct hop *hop = &s->hops[s->hop_count++];
    hop->kind = kind;
    hop->role = role;
}

/* A pod's name, which is its host's name, tells in CloudTrail who it was. */
static const char *default_session_name(struct source *s) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-";
    const char *names[] = {s->lookup("AWS_ROLE_SESSION_NAME"), s->lookup("HOSTNAME"), "pod-identity"};
    struct buf name = BUF(s->session_name);
    size_t i = 0;
    while (i < 2 && !set(names[i]))
        i++;
    for (const char *at = names[i]; *at != '\0' && name.len < STS_SESSION_NAME_MAX; at++)
        buf_char(&name, strchr(allowed, *at) != NULL ? *at : '-');
    if (name.len < 2)
        buf_str(&name, "-pod");
    return s->session_name;
}

static enum reason open_agent(struct source *s, struct failure *f) {
    s->kind = SOURCE_POD_IDENTITY;
    add_hop(s, HOP_AGENT, NULL);
    enum reason reason = injection_read(s->lookup, &s->injection, f);
    if (s->options->self_injected == INJECTION_SELF_NEVER)
        return reason;
    bool there = token_file_there(INJECTION_STANDARD_TOKEN_FILE);
    if (!there && s->options->self_injected == INJECTION_SELF_REQUIRE) {
        s->injection.wrong = INJECTION_PART_PAIR;
        return injection_own_token_missing(f);
    }
    if (there && reason == REASON_NOT_INJECTED) {
        injection_adopt(&s->injection);
        reason = REASON_OK;
    }
    return reason;
}

static enum reason open_web_identity(struct source *s, struct failure *f) {
    s->kind = SOURCE_WEB_IDENTITY;
    s->hop_count = 0;
    enum reason reason = injection_read_web(s->lookup, &s->injection, f);
    s->web_role = s->options->base;
    s->web_role.arn = s->lookup(INJECTION_ROLE_ARN);
    if (s->web_role.session_name == NULL)
        s->web_role.session_name = default_session_name(s);
    add_hop(s, HOP_WEB_IDENTITY, &s->web_role);
    return reason;
}

/* The token is the one that the agent would be sent. */
static enum reason open_eks_auth(struct source *s, struct failure *f) {
    enum reason reason = injection_read(s->lookup, &s->injection, f);
    s->kind = SOURCE_EKS_AUTH;
    if (reason != REASON_OK && token_file_there(INJECTION_STANDARD_TOKEN_FILE)) {
        injection_adopt(&s->injection);
        reason = REASON_OK;
    }
    if (reason == REASON_OK)
        reason = endpoint_find(ENDPOINT_EKS_AUTH, s->options->region, s->lookup, &s->eks_auth, f);
    if (reason == REASON_OK && s->options->node == SOURCE_NODE_IMDS)
        reason = node_fetch_open(&s->node, s->lookup, f);
    add_hop(s, HOP_NODE, NULL);
    add_hop(s, HOP_EKS_AUTH, NULL);
    return reason;
}

static enum reason open_base(struct source *s, struct failure *f) {
    enum source_kind kind = s->options->kind;
    if (kind == SOURCE_WEB_IDENTITY)
        return open_web_identity(s, f);
    if (kind == SOURCE_EKS_AUTH)
        return open_eks_auth(s, f);
    enum reason reason = open_agent(s, f);
    bool web = kind == SOURCE_AUTO && reason == REASON_NOT_INJECTED && s->injection.web_identity &&
               s->options->self_injected != INJECTION_SELF_REQUIRE;
    return web ? open_web_identity(s, f) : reason;
}

static bool guards_role(const struct source *s) {
    return s->options->guard && set(s->options->expect_role);
}

/* Of those that bring credentials. */
static size_t last_hop(const struct source *s) {
    size_t behind = s->hop_count > 0 && s->hops[s->hop_count - 1].kind == HOP_GUARD ? 2 : 1;
    return s->hop_count > behind ? s->hop_count - behind : 0;
}

enum reason source_open(struct source *s, const struct source_options *options, injection_getenv *lookup,
                        struct source_scratch *scratch, struct failure *failure) {
    s->options = options;
    s->scratch = scratch;
    s->lookup = lookup;
    s->hop_count = 0;
    s->secrets.visit = visit_secrets;
    secrets_hold(&s->secrets);
    enum reason reason = open_base(s, failure);
    bool sts = s->kind == SOURCE_WEB_IDENTITY || options->role_count > 0 || guards_role(s);
    if (reason == REASON_OK && sts)
        reason = endpoint_find(ENDPOINT_STS, options->region, lookup, &s->sts, failure);
    for (size_t i = 0; i < options->role_count; i++)
        add_hop(s, HOP_ASSUME_ROLE, &options->roles[i]);
    if (options->guard && (guards_role(s) || set(options->expect_account)))
        add_hop(s, HOP_GUARD, NULL);
    if (reason == REASON_OK && sts)
        reason = source_settings_proxy(lookup, &s->sts.uri, failure);
    if (reason == REASON_OK)
        reason = source_settings_proxy(lookup, source_upstream(s), failure);
    if (reason == REASON_OK)
        reason = source_settings_roles(options, lookup, failure);
    if (reason == REASON_OK && source_uses_tls(s))
        reason = source_settings_ca_path(options, lookup, failure);
    return reason;
}

const struct uri *source_upstream(const struct source *s) {
    switch (s->kind) {
    case SOURCE_WEB_IDENTITY:
        return &s->sts.uri;
    case SOURCE_EKS_AUTH:
        return &s->eks_auth.uri;
    default:
        return &s->injection.uri;
    }
}

const char *source_token_path(const struct source *s) {
    return s->injection.token_path;
}

enum reason source_silence(const struct source *s) {
    const struct hop *hop = &s->hops[s->at < s->hop_count ? s->at : 0]; /* after a fetch: of the next */
    return hop->kind == HOP_AGENT ? REASON_AGENT_UNREACHABLE : REASON_AWS_UNREACHABLE;
}

bool source_uses_tls(const struct source *s) {
    return s->kind != SOURCE_POD_IDENTITY || s->injection.uri.https || s->options->role_count > 0 ||
           guards_role(s);
}

/* ---- requests ---- */

static enum reason too_long(const char *what, struct failure *f) {
    struct buf m = failure_begin(f, REASON_TOKEN_INVALID);
    buf_fmt(&m, "%s cannot be sent: it is longer than what AWS takes, or the token is not a JSON web token",
            what);
    failure_remedy(f, "check the projected token, and shorten session tags and policy");
    return f->reason;
}

static struct sts_role named(struct source *s, const struct sts_role *role) {
    struct sts_role copy = *role;
    if (copy.session_name == NULL)
        copy.session_name = default_session_name(s);
    return copy;
}

static enum reason ask(struct source *s, struct moment now, struct http_request *out, struct failure *f) {
    const struct hop *hop = &s->hops[s->at];
    const struct credentials *signer = s->at > 0 ? &s->hops[s->at - 1].credentials : NULL;
    int64_t unix_s = (now.wall_ms + s->skew_ms) / 1000;
    enum err e = ERR_OK;
    enum reason reason = REASON_OK;
    if (hop->kind == HOP_AGENT || hop->kind == HOP_WEB_IDENTITY || hop->kind == HOP_EKS_AUTH)
        reason = token_file_read(s->injection.token_path, &s->scratch->token, f);
    if (reason != REASON_OK)
        return reason;
    switch (hop->kind) {
    case HOP_AGENT:
        agent_client_request(&s->injection.uri, &s->scratch->token, s->scratch->headers, out);
        break;
    case HOP_NODE:
        node_fetch_request(&s->node, out);
        break;
    case HOP_WEB_IDENTITY:
        e = sts_web_identity(&s->sts, hop->role, &s->scratch->token, &s->scratch->call, out);
        break;
    case HOP_EKS_AUTH:
        e = eksauth_request(&s->eks_auth, s->options->cluster_name, &s->scratch->token, signer, unix_s,
                            &s->scratch->call, out);
        break;
    case HOP_ASSUME_ROLE: {
        const struct sts_role role = named(s, hop->role);
        e = sts_assume_role(&s->sts, &role, signer, unix_s, &s->scratch->call, out);
        break;
    }
    case HOP_GUARD:
        e = sts_caller_identity(&s->sts, signer, unix_s, &s->scratch->call, out);
        break;
    }
    return e == ERR_OK ? REASON_OK : too_long(hop->role != NULL ? hop->role->arn : "the token", f);
}

void source_forget(struct source *s) {
    token_wipe(&s->scratch->token);
    aws_call_wipe(&s->scratch->call);
}

/* ---- hops ---- */

/* Half of what was left when it came, as the refresh engine has it for the last hop. */
static void note_renewal(struct hop *hop, struct moment now) {
    int64_t left_ms = hop->credentials.expires_ms - now.wall_ms;
    hop->renew_wall_ms = hop->credentials.expires_ms == CLOCK_NEVER ? 0 : now.wall_ms + left_ms / 2;
}

/* Whoever signed it may have been revoked meanwhile: the next fetch begins with new credentials. */
static enum source_step give_up(struct source *s, const struct failure *f) {
    if (f->reason == REASON_ACCESS_DENIED || f->reason == REASON_UNEXPECTED_IDENTITY)
        source_renew(s);
    return SOURCE_FAILED;
}

/* The environment is there without asking. */
static enum source_step proceed(struct source *s, struct moment now, struct http_request *out,
                                struct failure *f) {
    struct hop *hop = &s->hops[s->at];
    if (hop->kind == HOP_NODE && s->options->node == SOURCE_NODE_ENVIRONMENT) {
        if (node_environment(s->lookup, &hop->credentials, f) != REASON_OK)
            return SOURCE_FAILED;
        s->at++;
    }
    if (s->hops[s->at].kind == HOP_GUARD && !guards_role(s)) /* the credentials tell their account */
        return identity_expect_account(s->hops[s->at - 1].credentials.account_id, s->options->expect_account,
                                       f) == REASON_OK
                   ? SOURCE_DONE
                   : give_up(s, f);
    return ask(s, now, out, f) == REASON_OK ? SOURCE_SEND : SOURCE_FAILED;
}

enum source_step source_begin(struct source *s, struct moment now, struct http_request *out,
                              struct failure *f) {
    s->skew_corrected = false;
    s->at = 0;
    while (s->at < last_hop(s) && now.wall_ms < s->hops[s->at].renew_wall_ms)
        s->at++;
    node_fetch_restart(&s->node);
    return proceed(s, now, out, f);
}

/* A Date has whole seconds, and was written at some moment of the exchange: where that cannot be told from
 * our own clock, ours counts. Where the server is ahead for certain, it is taken to be as far ahead as it can
 * be. */
static void compare_clocks(struct source *s, const struct http_response *r, struct moment now) {
    const enum hop_kind kind = s->hops[s->at].kind;
    bool aws = kind == HOP_WEB_IDENTITY || kind == HOP_EKS_AUTH || kind == HOP_ASSUME_ROLE;
    if (kind == HOP_GUARD) /* the clock of whoever granted them counts */
        return;
    s->ahead_ms = 0;
    if (!aws || r->date_s == 0 || r->date_s * 1000 <= now.wall_ms)
        return;
    s->ahead_ms = r->date_s * 1000 + 999 + r->elapsed_ms - now.wall_ms;
    bool far = s->ahead_ms >= AWS_CALL_SKEW_MIN_S * 1000;
    if (far && !s->ahead_told)
        LOG(LOG_WARN, "this node's clock is behind AWS's: credentials end by AWS's",
            LOG_NUMBER("server_ahead_s", s->ahead_ms / 1000));
    s->ahead_told = far;
}

static enum reason judge(struct source *s, const struct http_response *r, struct moment now, bool *more,
                         struct failure *f) {
    struct credentials *fresh = &s->scratch->fresh;
    struct sts_identity *who = &s->scratch->who;
    struct hop *hop = &s->hops[s->at];
    enum reason reason;
    *more = false;
    compare_clocks(s, r, now);
    now.wall_ms = s->options->pass_expired ? 0 : now.wall_ms + s->ahead_ms; /* 0: before everything ends */
    who->account[0] = who->user_id[0] = who->arn[0] = '\0';
    switch (hop->kind) {
    case HOP_AGENT:
        reason = agent_client_result(&s->injection.uri, r, now, fresh, f);
        break;
    case HOP_NODE:
        reason = node_fetch_result(&s->node, r, now, fresh, more, f);
        break;
    case HOP_EKS_AUTH:
        reason = eksauth_result(&s->eks_auth, s->options->cluster_name, r, now, fresh, who, f);
        break;
    case HOP_GUARD:
        reason = sts_identity(&s->sts, r, who, f);
        return reason == REASON_OK
                   ? identity_expect(who, source_text(s->options->expect_account), s->options->expect_role, f)
                   : reason;
    default:
        reason = sts_credentials(&s->sts, hop->role, hop->kind == HOP_WEB_IDENTITY, r, now, fresh, who, f);
        break;
    }
    if (reason == REASON_OK && !*more)
        credentials_copy(fresh, &hop->credentials);
    credentials_wipe(fresh);
    return reason;
}

/* The signature was refused, and the server's clock is far from ours: then that is why. */
static bool correct_skew(struct source *s, const struct http_response *r, struct moment now,
                         const struct failure *f) {
    if (f->cause == NULL || strcmp(f->cause, AWS_CAUSE_SIGNATURE) != 0 || r->date_s == 0 || s->skew_corrected)
        return false;
    int64_t off_s = r->date_s - (now.wall_ms + s->skew_ms) / 1000;
    if (off_s < AWS_CALL_SKEW_MIN_S && off_s > -AWS_CALL_SKEW_MIN_S)
        return false;
    s->skew_ms = r->date_s * 1000 - now.wall_ms;
    s->skew_corrected = true;
    LOG(LOG_WARN, "this node's clock is off: requests are signed by the server's",
        LOG_NUMBER("server_ahead_s", s->skew_ms / 1000));
    return true;
}

/* A hop before the last is not renewed, and lasts a while: better its old result than none. */
static bool carry_on(const struct source *s, struct moment now, const struct failure *f) {
    const struct hop *hop = &s->hops[s->at];
    if (s->at >= last_hop(s) || hop->credentials.access_key_id[0] == '\0' ||
        hop->credentials.expires_ms - now.wall_ms <= USABLE_MS)
        return false;
    LOG(LOG_WARN, "a hop of the chain was not renewed; what it brought last is used",
        LOG_NUMBER("hop", (int64_t)s->at + 1), LOG_TEXT("reason", reason_name(f->reason)),
        LOG_TEXT("detail", f->message));
    return true;
}

enum source_step source_answer(struct source *s, const struct http_response *response, struct moment now,
                               struct http_request *out, struct failure *f) {
    bool more;
    enum reason reason = judge(s, response, now, &more, f);
    if (reason == REASON_OK && !more && s->at <= last_hop(s))
        note_renewal(&s->hops[s->at], now);
    bool again = more || (reason != REASON_OK && correct_skew(s, response, now, f));
    if (!again && reason != REASON_OK && !carry_on(s, now, f))
        return give_up(s, f);
    if (!again)
        s->at++;
    if (s->at == s->hop_count)
        return SOURCE_DONE;
    return proceed(s, now, out, f);
}

const struct credentials *source_credentials(const struct source *s) {
    return &s->hops[last_hop(s)].credentials;
}

const struct sts_identity *source_identity(const struct source *s) {
    return &s->scratch->who;
}

int64_t source_ends_wall_ms(const struct source *s) {
    return source_credentials(s)->expires_ms - s->ahead_ms;
}

void source_wipe_result(struct source *s) {
    credentials_wipe(&s->hops[last_hop(s)].credentials);
}

void source_renew(struct source *s) {
    for (size_t i = 0; i < s->hop_count; i++)
        s->hops[i].renew_wall_ms = 0;
}

void source_wipe(struct source *s) {
    for (size_t i = 0; i < s->hop_count; i++)
        credentials_wipe(&s->hops[i].credentials);
    source_renew(s);
}
