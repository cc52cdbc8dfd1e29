#include "agent/exchange_sts.h"

#include <string.h>

#include "agent/association.h"
#include "agent/node.h"
#include "agent/token_review.h"
#include "common/aws/sts.h"
#include "common/base/far.h"
#include "common/base/log.h"

#define CLUSTER_SHOWN 16 /* characters of a session's name, which has 64… */
#define UID_SHOWN 8      /* …and the rest is the pod's name */

/* What a fetch needs until it ends; of its slot's number. */
struct state {
    enum { HOP_REVIEW, HOP_ROLE, HOP_TARGET } hop;
    enum exchange_kind kind;
    bool session_tags, skew_corrected;
    int64_t duration_s;
    char session_name[STS_SESSION_NAME_MAX + 1];
    char role_arn[STS_ARN_MAX + 1], target_role_arn[STS_ARN_MAX + 1]; /* "": not given, as the next two */
    char external_id[STS_EXTERNAL_ID_MAX + 1], policy[STS_POLICY_MAX + 1];
    struct credentials first; /* of the role, where a target follows */
};

FAR static struct state states[EXCHANGE_SLOTS_MAX];
static const struct exchange_sts_settings *settings;
static int64_t skew_ms; /* what STS's clock is ahead of ours; 0 until a signature was refused for it */

void exchange_sts_open(const struct exchange_sts_settings *given) {
    settings = given;
    skew_ms = 0;
}

/* ---- requests ---- */

static void put_name(struct buf *out, const char *text, size_t max) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-";
    for (size_t i = 0; i < max && text[i] != '\0'; i++)
        buf_char(out, strchr(allowed, text[i]) != NULL ? text[i] : '-');
}

void exchange_sts_session_name(const char *cluster, const char *pod, const char *uid,
                               char out[STS_SESSION_NAME_MAX + 1]) {
    struct buf b = buf_over(out, STS_SESSION_NAME_MAX + 1);
    buf_str(&b, "eks-");
    put_name(&b, cluster, CLUSTER_SHOWN);
    buf_char(&b, '-');
    put_name(&b, pod, STS_SESSION_NAME_MAX - b.len - 1 - UID_SHOWN);
    buf_char(&b, '-');
    put_name(&b, uid, UID_SHOWN);
}

static void copy_text(char *out, size_t cap, const char *text) {
    struct buf b = buf_over(out, cap);
    buf_str(&b, text != NULL ? text : "");
}

static void note_association(struct state *s, const struct exchange *slot) {
    const struct association *a = slot->association;
    s->hop = settings->review != NULL ? HOP_REVIEW : HOP_ROLE;
    s->kind = a->exchange;
    s->session_tags = a->session_tags;
    s->duration_s = a->duration_s;
    copy_text(s->role_arn, sizeof s->role_arn, a->role_arn);
    copy_text(s->target_role_arn, sizeof s->target_role_arn, a->target_role_arn);
    copy_text(s->external_id, sizeof s->external_id, a->external_id);
    copy_text(s->policy, sizeof s->policy, a->policy);
    exchange_sts_session_name(settings->cluster, slot->claims.pod, slot->claims.pod_uid, s->session_name);
    credentials_wipe(&s->first);
}

/* EKS's session tags, all of which the roles further on inherit. Source: EKS User Guide, "Grant Pods access
 * to AWS resources based on tags". */
static void put_tags(struct sts_role *role, const struct jwt_claims *c) {
    const struct {
        const char *key, *value;
    } tags[] = {{"eks-cluster-arn", settings->cluster_arn},
                {"eks-cluster-name", settings->cluster},
                {"kubernetes-namespace", c->namespace},
                {"kubernetes-service-account", c->service_account},
                {"kubernetes-pod-name", c->pod},
                {"kubernetes-pod-uid", c->pod_uid}};
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        if (tags[i].value == NULL)
            continue;
        role->tags[role->tag_count].key = tags[i].key;
        role->tags[role->tag_count++].value = tags[i].value;
        role->transitive[role->transitive_count++] = tags[i].key;
    }
}

static const char *given(const char *text) {
    return text[0] != '\0' ? text : NULL;
}

/* Policy and duration are for the credentials that the pod gets: the last ones. */
static struct sts_role role_of(const struct state *s, const struct exchange *slot) {
    bool last = s->hop == HOP_TARGET || s->target_role_arn[0] == '\0';
    struct sts_role role = {.arn = s->hop == HOP_TARGET ? s->target_role_arn : s->role_arn,
                            .session_name = s->session_name};
    if (last) {
        role.policy = given(s->policy);
        role.duration_s = s->duration_s;
    }
    if (s->hop == HOP_TARGET)
        role.external_id = given(s->external_id);
    else if (s->kind == EXCHANGE_ASSUME_ROLE && s->session_tags)
        put_tags(&role, &slot->claims);
    return role;
}

static bool by_token(const struct state *s) {
    return s->hop == HOP_ROLE && s->kind == EXCHANGE_WEB_IDENTITY;
}

/* Our own limits, which are STS's. */
static enum exchange_step too_long(struct exchange *slot, bool web) {
    struct buf m = failure_begin(&slot->failure, web ? REASON_TOKEN_INVALID : REASON_INTERNAL);
    slot->failure.permanent = true;
    if (web)
        buf_fmt(&m, "the token has %zu characters; STS takes at most %d, and a request of %d",
                slot->token.len, STS_TOKEN_MAX, AWS_CALL_BODY_MAX);
    else
        buf_fmt(&m, "the request to STS would be longer than %d bytes", AWS_CALL_BODY_MAX);
    failure_remedy(&slot->failure, "shorten the association's session policy and external id");
    exchange_fail(slot, EXCHANGE_POD, 400, "", "InvalidParameterException", slot->failure.message, "client");
    return EXCHANGE_FAILED;
}

static enum exchange_step unsigned_yet(struct exchange *slot, const struct failure *why) {
    if (why == NULL)
        return EXCHANGE_WAIT;
    slot->failure = *why;
    exchange_fail(slot, EXCHANGE_NODE, 503, "", "ServiceUnavailableException", why->message, "server");
    return EXCHANGE_FAILED;
}

static enum exchange_step ask(struct exchange *slot, struct state *s, struct moment now,
                              struct http_request *out) {
    const struct sts_role role = role_of(s, slot);
    const struct credentials *signer = &s->first;
    bool web = by_token(s);
    enum err e;
    if (!web && s->hop == HOP_ROLE) {
        const struct failure *why = NULL;
        signer = node_credentials(&why);
        if (signer == NULL)
            return unsigned_yet(slot, why);
    }
    if (web)
        e = sts_web_identity(settings->endpoint, &role, &slot->token, &exchange_call, out);
    else
        e = sts_assume_role(settings->endpoint, &role, signer, (now.wall_ms + skew_ms) / 1000, &exchange_call,
                            out);
    return e == ERR_OK ? EXCHANGE_SEND : too_long(slot, web);
}

/* ---- the review, where it is wanted ---- */

static enum exchange_step unreviewed(struct exchange *slot, enum reason reason) {
    bool pod = reason == REASON_TOKEN_INVALID;
    exchange_fail(slot, pod ? EXCHANGE_POD : EXCHANGE_WAY, pod ? 400 : 503, "",
                  pod ? "InvalidTokenException" : "ServiceUnavailableException", slot->failure.message,
                  pod ? "client" : "server");
    return EXCHANGE_FAILED;
}

static enum exchange_step ask_review(struct exchange *slot, struct http_request *out) {
    enum reason reason =
        token_review_request(settings->review, settings->audience, &slot->token, exchange_call.body,
                             sizeof exchange_call.body, out, &slot->failure);
    exchange_call.body_len = out->body_len;
    return reason == REASON_OK ? EXCHANGE_SEND : unreviewed(slot, reason);
}

static enum exchange_step reviewed(struct exchange *slot, struct state *s, const struct http_response *r,
                                   struct moment now, struct http_request *out) {
    token_review_forget();
    enum reason reason = token_review_answer(settings->review, r, &slot->failure);
    if (reason != REASON_OK)
        return unreviewed(slot, reason);
    s->hop = HOP_ROLE;
    return ask(slot, s, now, out);
}

static enum exchange_step begin(struct exchange *slot, struct moment now, struct http_request *out) {
    struct state *s = &states[slot->number];
    if (slot->first)
        note_association(s, slot);
    s->skew_corrected = false;
    /* A target is asked again with what the first role gave, while that lasts. */
    if (s->hop == HOP_TARGET && s->first.expires_ms <= now.wall_ms)
        s->hop = HOP_ROLE;
    return s->hop == HOP_REVIEW ? ask_review(slot, out) : ask(slot, s, now, out);
}

/* ---- answers ---- */

enum about { ABOUT_POD, ABOUT_SIGNER, ABOUT_NODE, ABOUT_WAY };

/* What STS says, as EKS Auth would say it: SDKs and this project's init know those words. */
static const struct meaning {
    const char *cause, *code;
    uint16_t status;
    uint8_t about;
    bool passing;
} meanings[] = {
    {"ExpiredTokenException", "ExpiredTokenException", 400, ABOUT_POD, false},
    {"InvalidIdentityToken", "InvalidTokenException", 400, ABOUT_POD, false},
    {"AccessDenied", "AccessDeniedException", 400, ABOUT_POD, false},
    {"IDPRejectedClaim", "AccessDeniedException", 400, ABOUT_POD, false},
    {"refused-by-sts", "AccessDeniedException", 400, ABOUT_POD, false},
    {"PackedPolicyTooLarge", "InvalidParameterException", 400, ABOUT_POD, false},
    {"MalformedPolicyDocument", "InvalidParameterException", 400, ABOUT_POD, false},
    {"ValidationError", "InvalidParameterException", 400, ABOUT_POD, false},
    {"ExpiredToken", "UnrecognizedClientException", 403, ABOUT_SIGNER, false},
    {"InvalidClientTokenId", "UnrecognizedClientException", 403, ABOUT_SIGNER, false},
    {"UnrecognizedClientException", "UnrecognizedClientException", 403, ABOUT_SIGNER, false},
    {AWS_CAUSE_SIGNATURE, "InvalidSignatureException", 403, ABOUT_NODE, false},
    {"RegionDisabledException", "InternalServerException", 500, ABOUT_NODE, false},
    {"IDPCommunicationError", "ServiceUnavailableException", 503, ABOUT_WAY, true},
    {"Throttling", "ThrottlingException", 429, ABOUT_WAY, true},
    {"ThrottlingException", "ThrottlingException", 429, ABOUT_WAY, true},
    {"RequestLimitExceeded", "ThrottlingException", 429, ABOUT_WAY, true},
    {"SlowDown", "ThrottlingException", 429, ABOUT_WAY, true},
    {"TooManyRequestsException", "ThrottlingException", 429, ABOUT_WAY, true},
    {"status-429", "ThrottlingException", 429, ABOUT_WAY, true},
    {"status-5xx", "ServiceUnavailableException", 503, ABOUT_WAY, true},
};

static const struct meaning *meaning_of(const char *cause) {
    static const struct meaning unknown = {"", "InternalServerException", 500, ABOUT_WAY, false};
    for (size_t i = 0; cause != NULL && i < sizeof meanings / sizeof meanings[0]; i++) {
        if (strcmp(meanings[i].cause, cause) == 0)
            return &meanings[i];
    }
    return &unknown;
}

static enum exchange_step refused(struct exchange *slot, struct state *s, const struct http_response *r) {
    static const enum exchange_blame blames[] = {[ABOUT_POD] = EXCHANGE_POD,
                                                 [ABOUT_SIGNER] = EXCHANGE_NODE,
                                                 [ABOUT_NODE] = EXCHANGE_NODE,
                                                 [ABOUT_WAY] = EXCHANGE_WAY};
    const struct meaning *m = meaning_of(slot->failure.cause);
    if (r->result != HTTP_ANSWERED) {
        exchange_fail(slot, EXCHANGE_WAY, 503, "", "ServiceUnavailableException", slot->failure.message,
                      "server");
        slot->error.passing = true;
        return EXCHANGE_FAILED;
    }
    bool others = m->about == ABOUT_SIGNER && s->hop == HOP_ROLE && node_refused();
    const char *fault = m->about != ABOUT_POD && m->status == 403 ? "unknown"
                        : m->status >= 500                        ? "server"
                                                                  : "client";
    exchange_fail(slot, blames[m->about], m->status, "", m->code, slot->failure.message, fault);
    slot->error.passing = m->passing || others;
    slot->error.retry_after_ms = slot->failure.retry_after_ms;
    /* What the first role gave is not taken any more: the next attempt begins with the first role. */
    if (m->about == ABOUT_SIGNER && s->hop == HOP_TARGET) {
        s->hop = HOP_ROLE;
        slot->error.passing = true;
    }
    return EXCHANGE_FAILED;
}

/* The signature was refused, and STS's clock is far from ours: then that is why. */
static bool correct_skew(struct state *s, const char *cause, const struct http_response *r,
                         struct moment now) {
    int64_t off_s = r->date_s - (now.wall_ms + skew_ms) / 1000;
    if (cause == NULL || strcmp(cause, AWS_CAUSE_SIGNATURE) != 0 || r->date_s == 0 || s->skew_corrected ||
        (off_s < AWS_CALL_SKEW_MIN_S && off_s > -AWS_CALL_SKEW_MIN_S))
        return false;
    skew_ms = r->date_s * 1000 - now.wall_ms;
    s->skew_corrected = true;
    LOG(LOG_WARN, "this node's clock is off: requests are signed by STS's",
        LOG_NUMBER("server_ahead_s", skew_ms / 1000));
    return true;
}

/* How far the server's clock is ahead of ours for certain; 0 if it is not. A Date has whole seconds, and was
 * written at some moment of the exchange. */
static int64_t ahead_ms(const struct http_response *r, struct moment now) {
    if (r->date_s == 0 || r->date_s * 1000 <= now.wall_ms)
        return 0;
    return r->date_s * 1000 + 999 + r->elapsed_ms - now.wall_ms;
}

static enum exchange_step answer(struct exchange *slot, const struct http_response *r, struct moment now,
                                 struct http_request *out) {
    struct state *s = &states[slot->number];
    if (s->hop == HOP_REVIEW)
        return reviewed(slot, s, r, now, out);
    const struct sts_role role = role_of(s, slot);
    int64_t ahead = ahead_ms(r, now);
    const struct moment theirs = {now.mono_ms, settings->pass_expired ? 0 : now.wall_ms + ahead};
    enum reason reason = sts_credentials(settings->endpoint, &role, by_token(s), r, theirs,
                                         &slot->credentials, NULL, &slot->failure);
    if (reason != REASON_OK)
        return correct_skew(s, slot->failure.cause, r, now) ? ask(slot, s, now, out) : refused(slot, s, r);
    if (s->hop == HOP_TARGET || s->target_role_arn[0] == '\0') {
        slot->ends_wall_ms = slot->credentials.expires_ms - ahead;
        return EXCHANGE_DONE;
    }
    credentials_copy(&slot->credentials, &s->first);
    credentials_wipe(&slot->credentials);
    s->hop = HOP_TARGET;
    return ask(slot, s, now, out);
}

static void wipe_state(struct exchange *slot) {
    credentials_wipe(&states[slot->number].first);
}

const struct exchange_method exchange_sts = {.begin = begin, .answer = answer, .wipe = wipe_state};
