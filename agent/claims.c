#include "agent/claims.h"

#include <string.h>

#define QUOTED_MAX 100

static bool refuse(struct buf *why, const char *text, const char *value) {
    buf_str(why, text);
    if (value != NULL) {
        buf_char(why, ' ');
        buf_printable(why, value, strlen(value), QUOTED_MAX);
    }
    return false;
}

static bool issuer_known(const struct claims_rules *rules, const char *issuer) {
    for (size_t i = 0; i < rules->issuer_count; i++) {
        if (strcmp(rules->issuers[i], issuer) == 0)
            return true;
    }
    return false;
}

static bool in_time(const struct jwt_claims *c, int64_t now_s, const char **code, struct buf *why) {
    if (!c->has_expires)
        return refuse(why, "the token does not say when it ends", NULL);
    if (c->expires_s <= now_s) {
        *code = "ExpiredTokenException";
        buf_fmt(why, "the token expired %lld seconds ago", (long long)(now_s - c->expires_s));
        return false;
    }
    if (c->has_not_before && c->not_before_s > now_s) {
        buf_fmt(why, "the token is not valid before %lld seconds from now: compare the clocks",
                (long long)(c->not_before_s - now_s));
        return false;
    }
    return true;
}

/* The subject repeats namespace and service account: a token where they differ is none that Kubernetes makes.
 */
static bool subject_agrees(const struct jwt_claims *c) {
    static const char prefix[] = "system:serviceaccount:";
    const char *rest = c->subject + sizeof prefix - 1;
    size_t ns = strlen(c->namespace);
    return strncmp(c->subject, prefix, sizeof prefix - 1) == 0 && strncmp(rest, c->namespace, ns) == 0 &&
           rest[ns] == ':' && strcmp(rest + ns + 1, c->service_account) == 0;
}

static bool of_a_pod(const struct claims_rules *rules, const struct jwt_claims *c, struct buf *why) {
    const struct {
        const char *value, *missing;
    } parts[] = {
        {c->namespace, "the token names no namespace"},
        {c->service_account, "the token names no service account"},
        {c->pod, "the token is not bound to a pod (it has to come from a projected volume)"},
        {c->pod_uid, "the token names no pod UID (it has to come from a projected volume)"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].value[0] == '\0')
            return refuse(why, parts[i].missing, NULL);
    }
    if (!subject_agrees(c))
        return refuse(why, "the token's subject is not its service account:", c->subject);
    if (rules->node != NULL && c->node[0] != '\0' && strcmp(c->node, rules->node) != 0)
        return refuse(why, "the token is of a pod on another node:", c->node);
    return true;
}

bool claims_accept(const struct claims_rules *rules, const struct jwt_claims *claims, int64_t now_s,
                   const char **code, struct buf *why) {
    *code = "InvalidTokenException";
    if (!issuer_known(rules, claims->issuer))
        return refuse(why, "the token was issued by another cluster:",
                      claims->issuer[0] != '\0' ? claims->issuer : "(nobody)");
    if (!jwt_has_audience(claims, rules->audience))
        return refuse(why, "the token is for another audience:",
                      claims->audience_count > 0 ? claims->audiences[0] : "(none)");
    return in_time(claims, now_s, code, why) && of_a_pod(rules, claims, why);
}
