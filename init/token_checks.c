#include "init/token_checks.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/timefmt.h"

/* Nodes and issuer are synchronised; so much ahead is jitter that passes, more is a clock that is wrong. */
#define SKEW_TOLERATED_S 60
/* The kubelet renews at 80 % of the life, and looks once a minute: it is late only after twice that, or for
 * the short lives of test clusters, a fiftieth of the life. Source: Kubernetes
 * pkg/kubelet/token/token_manager.go.
 */
#define ROTATION_LATE_S 120

#define CLOCK_REMEDY                                                                                         \
    "compare the node's clock with the real time (chronyc tracking on the node), then recreate the pod"
#define MOUNT_REMEDY                                                                                         \
    "mount the projected serviceAccountToken volume of EKS Pod Identity there (audience " INJECTION_AUDIENCE \
    "); a mutated pod has it, so recreate the pod"

#define WEB_MOUNT_REMEDY                                                                                     \
    "mount the projected serviceAccountToken volume of IRSA there (audience " INJECTION_WEB_AUDIENCE         \
    ", or what the annotation eks.amazonaws.com/audience says); a mutated pod has it, so recreate the pod"

static const char *mount_remedy(const struct run *run) {
    return run->source.kind == SOURCE_WEB_IDENTITY ? WEB_MOUNT_REMEDY : MOUNT_REMEDY;
}

/* The name that the sidecar gives its bearer, beside an address of loopback: the app's two variables. */
static void look_for_bearer(const struct run *run, const char *path, struct failure *finding) {
    const char *name = strrchr(path, '/');
    if (name != NULL && strcmp(name, "/http-token") == 0 && check_is_loopback(run))
        failure_remedy(finding, "%s", CHECK_APPS_REMEDY);
}

enum check_status check_token_readable(struct run *run, struct failure *finding) {
    const char *path = source_token_path(&run->source);
    if (token_file_read(path, &run->token, finding) != REASON_OK) {
        look_for_bearer(run, path, finding);
        return CHECK_FAIL;
    }
    struct buf m = failure_begin(finding, REASON_OK);
    buf_fmt(&m, "read %zu bytes from ", run->token.len);
    check_quote(&m, path);
    struct stat st;
    if (stat(path, &st) == 0)
        buf_fmt(&m, " (uid %u, gid %u, mode %04o) as uid %u", (unsigned)st.st_uid, (unsigned)st.st_gid,
                (unsigned)(st.st_mode & 07777), (unsigned)geteuid());
    return CHECK_PASS;
}

/* The last that needs the token's text: it is wiped here. */
enum check_status check_token_format(struct run *run, struct failure *finding) {
    const char *wrong = "";
    struct token *token = &run->token;
    enum err e = jwt_inspect_unverified(token->text, token->len, &run->claims, &wrong);
    token_wipe(token);
    if (e == ERR_OK)
        return check_passed(finding, "a JSON web token (its signature is for AWS to verify)");
    struct buf m = failure_begin(finding, REASON_TOKEN_INVALID);
    buf_str(&m, "token file ");
    check_quote(&m, source_token_path(&run->source));
    buf_fmt(&m, " holds no usable JSON web token: %s: %s", wrong, err_text(e));
    failure_remedy(finding, "%s", mount_remedy(run));
    look_for_bearer(run, source_token_path(&run->source), finding);
    return CHECK_FAIL;
}

/* An OIDC provider in IAM may have been given an audience of its own, so for STS another one is not refused.
 */
enum check_status check_token_audience(struct run *run, struct failure *finding) {
    const struct jwt_claims *claims = &run->claims;
    bool web = run->source.kind == SOURCE_WEB_IDENTITY;
    const char *wanted = web ? INJECTION_WEB_AUDIENCE : INJECTION_AUDIENCE;
    if (jwt_has_audience(claims, wanted))
        return check_passed(finding, "for %s", wanted);
    if (web && !endpoint_is_aws(&run->source.sts))
        return check_passed(finding, "whether %s takes the token's audience, it will say itself (%s)",
                            run->source.sts.uri.host, run->source.sts.origin);
    struct buf m = failure_begin(finding, REASON_TOKEN_INVALID);
    buf_str(&m, "the token's audience is ");
    for (size_t i = 0; i < claims->audience_count && m.len < FAILURE_MESSAGE_MAX / 2; i++) {
        buf_str(&m, i > 0 ? ", " : "");
        check_quote(&m, claims->audiences[i]);
    }
    buf_str(&m, claims->audience_count == 0 ? "missing" : "");
    buf_fmt(&m, ", and %s ", web ? "STS takes, as a rule," : "EKS Pod Identity needs");
    buf_str(&m, wanted);
    failure_remedy(
        finding, "%s",
        web ? "check that the OIDC provider in IAM has that audience among its client ids (aws iam "
              "get-open-id-connect-provider), or annotate the service account with "
              "eks.amazonaws.com/audience: sts.amazonaws.com"
            : MOUNT_REMEDY);
    return web ? CHECK_WARN : CHECK_FAIL;
}

/* The issuer of EKS is "https://oidc.eks.REGION.amazonaws.com/id/" and 32 hex digits. Another one is not
 * refused here: partitions have their own, and only AWS can tell. */
enum check_status check_token_issuer(struct run *run, struct failure *finding) {
    static const char prefix[] = "system:serviceaccount:";
    const struct jwt_claims *c = &run->claims;
    bool issuer = strncmp(c->issuer, "https://", 8) == 0;
    struct buf m = failure_begin(finding, REASON_OK);
    if (issuer && strncmp(c->subject, prefix, sizeof prefix - 1) == 0) {
        buf_str(&m, "issued by ");
        check_quote(&m, c->issuer);
        buf_str(&m, check_cluster_id(c) != NULL ? ", whose last part is the OIDC id of the cluster, for "
                                                : ", for ");
        check_quote(&m, c->subject);
        return CHECK_PASS;
    }
    finding->reason = REASON_TOKEN_INVALID;
    buf_fmt(&m, "the token's %s is ", issuer ? "subject (sub)" : "issuer (iss)");
    check_quote(&m, issuer ? c->subject : c->issuer);
    buf_str(&m, issuer ? ", and that of a service account is system:serviceaccount:NAMESPACE:NAME"
                       : ", and that of a cluster is an https:// address");
    failure_remedy(finding, "%s", mount_remedy(run));
    return CHECK_WARN;
}

/* ---- times ---- */

static enum check_status expired(int64_t expires_s, int64_t now_s, struct failure *finding) {
    char at[TIME_UTC_MAX], here[TIME_UTC_MAX];
    time_format_utc(expires_s, at);
    time_format_utc(now_s, here);
    struct buf m = failure_begin(finding, REASON_TOKEN_INVALID);
    buf_fmt(&m, "the token expired at %s (exp), %lld s ago by this node's clock, which says %s", at,
            (long long)(now_s - expires_s), here);
    failure_remedy(finding,
                   "the kubelet could not renew it, or the clock is ahead: see the node's kubelet log, "
                   "compare the node's clock with the real time (chronyc tracking), recreate the pod");
    return CHECK_FAIL;
}

static enum check_status not_yet_valid(const char *claim, int64_t from_s, int64_t now_s,
                                       struct failure *finding) {
    char at[TIME_UTC_MAX], here[TIME_UTC_MAX];
    time_format_utc(from_s, at);
    time_format_utc(now_s, here);
    struct buf m = failure_begin(finding, REASON_TOKEN_INVALID);
    buf_fmt(
        &m,
        "the token is not yet valid: it begins at %s (%s), %lld s ahead of this node's clock, which says %s",
        at, claim, (long long)(from_s - now_s), here);
    failure_remedy(finding, "%s", CLOCK_REMEDY);
    return from_s - now_s <= SKEW_TOLERATED_S ? CHECK_WARN : CHECK_FAIL;
}

/* Whether the kubelet should have replaced the token by now. */
static bool rotation_stuck(int64_t issued_s, int64_t expires_s, int64_t now_s) {
    int64_t life_s = expires_s - issued_s;
    int64_t late_s = life_s / 50 < ROTATION_LATE_S ? life_s / 50 : ROTATION_LATE_S;
    return life_s > 0 && now_s - issued_s > life_s / 5 * 4 + late_s;
}

static enum check_status stuck(const struct jwt_claims *c, int64_t now_s, struct failure *finding) {
    char age[TIME_DURATION_MAX], life[TIME_DURATION_MAX];
    time_format_rough((now_s - c->issued_at_s) * 1000, age);
    time_format_rough((c->expires_s - c->issued_at_s) * 1000, life);
    struct buf m = failure_begin(finding, REASON_TOKEN_INVALID);
    buf_fmt(&m,
            "the token is %s old, and lives for %s: the kubelet renews at 80 %%, so its rotation is stuck",
            age, life);
    failure_remedy(
        finding, "see the node's kubelet log for serviceaccount token errors; a volume mounted with subPath "
                 "is never updated");
    return CHECK_WARN;
}

enum check_status check_token_times(struct run *run, struct failure *finding) {
    const struct jwt_claims *c = &run->claims;
    int64_t now_s = clock_now().wall_ms / 1000;
    if (!c->has_expires) {
        struct buf m = failure_begin(finding, REASON_TOKEN_INVALID);
        buf_str(&m, "the token has no expiry (claim exp): it is none that the kubelet projects");
        failure_remedy(finding, "%s", mount_remedy(run));
        return CHECK_FAIL;
    }
    if (c->expires_s <= now_s)
        return expired(c->expires_s, now_s, finding);
    if (c->has_not_before && c->not_before_s > now_s)
        return not_yet_valid("nbf", c->not_before_s, now_s, finding);
    if (c->has_issued_at && c->issued_at_s > now_s)
        return not_yet_valid("iat", c->issued_at_s, now_s, finding);
    if (c->has_issued_at && rotation_stuck(c->issued_at_s, c->expires_s, now_s))
        return stuck(c, now_s, finding);
    char left[TIME_DURATION_MAX], at[TIME_UTC_MAX];
    time_format_rough((c->expires_s - now_s) * 1000, left);
    time_format_utc(c->expires_s, at);
    return check_passed(finding, "valid for %s more, until %s", left, at);
}

/* ---- identity ---- */

static bool differs(const char *expected, const char *found) {
    return expected[0] != '\0' && strcmp(expected, found) != 0;
}

static enum check_status unexpected(const char *what, const char *option, const char *expected,
                                    const char *found, struct failure *finding) {
    struct buf m = failure_begin(finding, REASON_UNEXPECTED_IDENTITY);
    finding->permanent = true;
    buf_fmt(&m, "the token is for %s ", what);
    if (found[0] != '\0')
        check_quote(&m, found);
    else
        buf_str(&m, "(none is named)");
    buf_fmt(&m, ", and %s says ", option);
    check_quote(&m, expected);
    failure_remedy(finding, "correct the pod's %s, or %s",
                   strcmp(what, "namespace") == 0 ? "metadata.namespace" : "spec.serviceAccountName", option);
    return CHECK_FAIL;
}

enum check_status check_token_identity(struct run *run, struct failure *finding) {
    const struct jwt_claims *c = &run->claims;
    const struct config *o = run->config;
    if (differs(o->expect_namespace, c->namespace))
        return unexpected("namespace", "--expect-namespace", o->expect_namespace, c->namespace, finding);
    if (differs(o->expect_service_account, c->service_account))
        return unexpected("service account", "--expect-service-account", o->expect_service_account,
                          c->service_account, finding);
    if (c->namespace[0] == '\0' || c->service_account[0] == '\0') {
        struct buf m = failure_begin(finding, REASON_TOKEN_INVALID);
        buf_str(&m, "the token names no namespace and service account (claims kubernetes.io and sub)");
        failure_remedy(finding, "%s", mount_remedy(run));
        return CHECK_WARN;
    }
    struct buf m = failure_begin(finding, REASON_OK);
    buf_str(&m, "namespace ");
    check_quote(&m, c->namespace);
    buf_str(&m, ", service account ");
    check_quote(&m, c->service_account);
    if (c->pod[0] != '\0') {
        buf_str(&m, ", pod ");
        check_quote(&m, c->pod);
    }
    return CHECK_PASS;
}
