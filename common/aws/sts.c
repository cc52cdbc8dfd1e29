#include "common/aws/sts.h"

#include <string.h>

#include "common/aws/sts_error.h"
#include "common/base/wipe.h"
#include "common/text/xml.h"

#define VERSION "2011-06-15"
#define FORM "application/x-www-form-urlencoded; charset=utf-8"
#define ASSUME_ROLE "AssumeRole"
#define WEB_IDENTITY "AssumeRoleWithWebIdentity"
#define CALLER_IDENTITY "GetCallerIdentity"

static struct aws_target target(const struct endpoint *endpoint, const char *action, const char *object) {
    return (struct aws_target){endpoint, "sts", "/", FORM, action, object};
}

/* ---- requests ---- */

static void put_encoded(struct buf *body, const char *text) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    static const char hex[] = "0123456789ABCDEF";
    while (*text != '\0') {
        size_t run = strspn(text, plain);
        buf_put(body, text, run);
        text += run;
        if (*text != '\0') {
            unsigned char c = (unsigned char)*text++;
            const char escape[] = {'%', hex[c >> 4], hex[c & 15]};
            buf_put(body, escape, sizeof escape);
        }
    }
}

static void put(struct buf *body, const char *name, const char *value) {
    if (value == NULL)
        return;
    buf_fmt(body, "&%s=", name);
    put_encoded(body, value);
}

static struct buf begin_body(struct aws_call *call, const char *action) {
    struct buf body = BUF(call->body);
    buf_fmt(&body, "Action=%s&Version=" VERSION, action);
    return body;
}

static void put_role(struct buf *body, const struct sts_role *role) {
    put(body, "RoleArn", role->arn);
    put(body, "RoleSessionName", role->session_name);
    put(body, "Policy", role->policy);
    if (role->duration_s > 0)
        buf_fmt(body, "&DurationSeconds=%lld", (long long)role->duration_s);
}

static void put_session(struct buf *body, const struct sts_role *role) {
    char name[48];
    put(body, "ExternalId", role->external_id);
    put(body, "SourceIdentity", role->source_identity);
    for (size_t i = 0; i < role->tag_count; i++) {
        struct buf key = BUF(name);
        buf_fmt(&key, "Tags.member.%zu.Key", i + 1);
        put(body, name, role->tags[i].key);
        buf_reset(&key);
        buf_fmt(&key, "Tags.member.%zu.Value", i + 1);
        put(body, name, role->tags[i].value);
    }
    for (size_t i = 0; i < role->transitive_count; i++) {
        struct buf key = BUF(name);
        buf_fmt(&key, "TransitiveTagKeys.member.%zu", i + 1);
        put(body, name, role->transitive[i]);
    }
}

static enum err end_body(struct aws_call *call, const struct buf *body) {
    call->body_len = body->len;
    return body->overflow ? ERR_TOO_LONG : ERR_OK;
}

enum err sts_assume_role(const struct endpoint *endpoint, const struct sts_role *role,
                         const struct credentials *signer, int64_t unix_s, struct aws_call *call,
                         struct http_request *out) {
    const struct aws_target t = target(endpoint, ASSUME_ROLE, role->arn);
    struct buf body = begin_body(call, ASSUME_ROLE);
    put_role(&body, role);
    put_session(&body, role);
    enum err e = end_body(call, &body);
    return e == ERR_OK ? aws_call_request(call, &t, signer, unix_s, out) : e;
}

enum err sts_web_identity(const struct endpoint *endpoint, const struct sts_role *role,
                          const struct token *token, struct aws_call *call, struct http_request *out) {
    const struct aws_target t = target(endpoint, WEB_IDENTITY, role->arn);
    struct buf body = begin_body(call, WEB_IDENTITY);
    put_role(&body, role);
    put(&body, "WebIdentityToken", token->text);
    enum err e = token->len > STS_TOKEN_MAX ? ERR_TOO_LONG : ERR_OK;
    if (end_body(call, &body) != ERR_OK)
        e = ERR_TOO_LONG;
    return e == ERR_OK ? aws_call_request(call, &t, NULL, 0, out) : e;
}

enum err sts_caller_identity(const struct endpoint *endpoint, const struct credentials *signer,
                             int64_t unix_s, struct aws_call *call, struct http_request *out) {
    const struct aws_target t = target(endpoint, CALLER_IDENTITY, "");
    const struct buf body = begin_body(call, CALLER_IDENTITY);
    enum err e = end_body(call, &body);
    return e == ERR_OK ? aws_call_request(call, &t, signer, unix_s, out) : e;
}

/* ---- answers ---- */

/* One text of an answer: RESPONSE/RESULT/NAME of the action. */
struct answer {
    const char *text;
    size_t len;
    const char *action;
    const char *part; /* what was wrong */
    enum err error;
};

static void take(struct answer *a, const char *name, char *out, size_t cap) {
    char text[160];
    struct buf path = BUF(text);
    if (a->error != ERR_OK)
        return;
    buf_fmt(&path, "%sResponse/%sResult/%s", a->action, a->action, name);
    a->error = xml_text(a->text, a->len, text, out, cap);
    a->part = name;
}

static struct answer open_answer(const struct http_response *r, const char *action) {
    return (struct answer){r->body, r->body_len, action, "XML",
                           xml_check(r->body, r->body_len, XML_NAMESPACE_STS)};
}

/* A key or token goes into headers and files: the rules of credentials.h. */
static void take_secret(struct answer *a, const char *name, char *out, size_t cap) {
    take(a, name, out, cap);
    if (a->error == ERR_OK && !credentials_text_valid(out))
        a->error = ERR_CONTROL;
}

static void take_expiration(struct answer *a, int64_t *expires_ms) {
    char text[64];
    take(a, "Credentials/Expiration", text, sizeof text);
    if (a->error == ERR_OK)
        a->error = time_parse_rfc3339(text, strlen(text), expires_ms);
    if (a->error == ERR_OK)
        *expires_ms -= *expires_ms % 1000;
}

void sts_identity_take(const char *text, char *out, size_t cap) {
    size_t len = text != NULL && credentials_text_valid(text) ? strlen(text) : 0;
    if (len > 0 && len < cap)
        memmove(out, text, len + 1);
    else
        out[0] = '\0';
}

/* What credentials are as good without. */
static void take_optional(const struct answer *a, const char *name, char *out, size_t cap) {
    struct answer attempt = *a;
    take(&attempt, name, out, cap);
    sts_identity_take(attempt.error == ERR_OK ? out : NULL, out, cap);
}

/* The account stands in the ARN of what was assumed. */
static void take_user(const struct answer *a, struct credentials *out, struct sts_identity *who) {
    struct sts_identity unwanted;
    if (who == NULL)
        who = &unwanted;
    take_optional(a, "AssumedRoleUser/AssumedRoleId", who->user_id, sizeof who->user_id);
    take_optional(a, "AssumedRoleUser/Arn", who->arn, sizeof who->arn);
    credentials_account_of_arn(who->arn, out->account_id);
}

enum reason sts_credentials(const struct endpoint *endpoint, const struct sts_role *role, bool web,
                            const struct http_response *r, struct moment now, struct credentials *out,
                            struct sts_identity *who, struct failure *f) {
    const struct aws_target t = target(endpoint, web ? WEB_IDENTITY : ASSUME_ROLE, role->arn);
    credentials_wipe(out);
    if (r->result != HTTP_ANSWERED)
        return aws_call_unanswered(&t, r, f);
    if (r->status != 200)
        return sts_error(&t, role, r, f);
    struct answer a = open_answer(r, t.action);
    take_secret(&a, "Credentials/AccessKeyId", out->access_key_id, sizeof out->access_key_id);
    take_secret(&a, "Credentials/SecretAccessKey", out->secret_access_key, sizeof out->secret_access_key);
    take_secret(&a, "Credentials/SessionToken", out->session_token, sizeof out->session_token);
    take_expiration(&a, &out->expires_ms);
    take_user(&a, out, who);
    int64_t expires_ms = out->expires_ms;
    if (a.error == ERR_OK && expires_ms > now.wall_ms)
        return REASON_OK;
    credentials_wipe(out);
    return a.error != ERR_OK ? aws_call_nonsense(&t, r, a.part, a.error, f)
                             : aws_call_expired(&t, expires_ms, now.wall_ms, f);
}

enum reason sts_identity(const struct endpoint *endpoint, const struct http_response *r,
                         struct sts_identity *out, struct failure *f) {
    const struct aws_target t = target(endpoint, CALLER_IDENTITY, "");
    memset(out, 0, sizeof *out);
    if (r->result != HTTP_ANSWERED)
        return aws_call_unanswered(&t, r, f);
    if (r->status != 200)
        return sts_error(&t, NULL, r, f);
    struct answer a = open_answer(r, t.action);
    take(&a, "Account", out->account, sizeof out->account);
    take(&a, "Arn", out->arn, sizeof out->arn);
    take_optional(&a, "UserId", out->user_id, sizeof out->user_id);
    return a.error == ERR_OK ? REASON_OK : aws_call_nonsense(&t, r, a.part, a.error, f);
}

bool sts_role_of(const char *arn, char role[STS_SESSION_NAME_MAX + 1],
                 char session[STS_SESSION_NAME_MAX + 1]) {
    static const char word[] = ":assumed-role/";
    const char *at = strstr(arn, word);
    size_t len = at != NULL ? strcspn(at + sizeof word - 1, "/") : 0;
    if (len == 0 || len > STS_SESSION_NAME_MAX || at[sizeof word - 1 + len] != '/')
        return false;
    memcpy(role, at + sizeof word - 1, len);
    role[len] = '\0';
    const char *name = at + sizeof word + len;
    len = strlen(name);
    if (len == 0 || len > STS_SESSION_NAME_MAX)
        return false;
    memcpy(session, name, len + 1);
    return true;
}
