#include "init/injection_checks.h"

#include <errno.h>
#include <string.h>

#define LABEL_INJECTED "eks.amazonaws.com/pod-identity" /* the webhook sets it to "enabled" on each pod */
#define LABEL_SKIP "eks.amazonaws.com/skip-pod-identity-webhook" /* with any value */
#define ANNOTATION_SKIP "eks.amazonaws.com/skip-containers"
#define PATH_SHOWN 200

/* ---- labels ---- */

static enum check_status bad_labels(const struct run *run, struct failure *finding, const char *what) {
    struct buf m = failure_begin(finding, REASON_INJECTION_INVALID);
    buf_str(&m, "--pod-labels: the file ");
    buf_printable(&m, run->config->pod_labels, strlen(run->config->pod_labels), PATH_SHOWN);
    buf_fmt(&m, " %s", what);
    failure_remedy(
        finding, "mount a downward API volume with the item fieldRef.fieldPath=metadata.labels in this "
                 "container, and name its file; without it the cause of a missing injection is only guessed");
    return CHECK_WARN;
}

static enum err find_labels(struct run *run, const char *text, size_t len, size_t *line) {
    char value[LABELS_VALUE_MAX];
    enum err e = labels_find(text, len, LABEL_INJECTED, value, line);
    run->labels.injected = e == ERR_OK && strcmp(value, "enabled") == 0;
    if (e != ERR_OK && e != ERR_MISSING)
        return e;
    e = labels_find(text, len, LABEL_SKIP, value, line);
    run->labels.skipped = e == ERR_OK;
    return e == ERR_MISSING ? ERR_OK : e;
}

enum check_status check_injection_labels(struct run *run, struct failure *finding) {
    static char text[LABELS_FILE_MAX + 1];
    char what_text[128];
    struct buf what = BUF(what_text);
    size_t len, line;
    if (run->config->pod_labels[0] == '\0')
        return check_skipped(finding, "not known (--pod-labels)");
    if (!check_read_file(run->config->pod_labels, text, LABELS_FILE_MAX, &len)) {
        buf_fmt(&what, "cannot be read: %s (errno %d)", strerror(errno), errno);
        return bad_labels(run, finding, what.data);
    }
    enum err e = find_labels(run, text, len, &line);
    if (e != ERR_OK) {
        buf_fmt(&what, "holds no labels: line %zu: %s", line, err_text(e));
        return bad_labels(run, finding, what.data);
    }
    run->labels.read = true;
    if (run->labels.injected)
        return check_passed(finding, "the webhook has been at this pod (" LABEL_INJECTED "=enabled)");
    return check_passed(finding, run->labels.skipped
                                     ? "the pod asks not to be injected (" LABEL_SKIP ")"
                                     : "the webhook has not been at this pod (no " LABEL_INJECTED
                                       "=enabled)");
}

/* ---- the pair ---- */

/* With the labels, a missing injection has a cause. */
static void explain_by_labels(const struct run *run, struct failure *finding) {
    if (!run->labels.read || finding->reason != REASON_NOT_INJECTED || run->source.injection.web_identity)
        return;
    bool permanent = finding->permanent;
    struct buf m = failure_begin(finding, REASON_NOT_INJECTED);
    finding->permanent = permanent;
    if (run->labels.injected) {
        buf_str(&m,
                "this container was skipped while its pod was injected: the pod has the label " LABEL_INJECTED
                "=enabled, and neither " INJECTION_URI " nor " INJECTION_TOKEN_FILE " is set here");
        failure_remedy(
            finding,
            "restarting this container cannot help: take its name out of the pod's "
            "annotation " ANNOTATION_SKIP
            ", or, if another webhook adds this container, let that one run before the Pod "
            "Identity webhook, or give the container a projected token of its own (--self-injected); then "
            "delete the pod so that it is created anew. Containers of kubectl debug are never injected");
    } else if (run->labels.skipped) {
        buf_str(&m, "the pod asks not to be injected: it has the label " LABEL_SKIP);
        failure_remedy(
            finding,
            "restarting this container cannot help: remove that label from the pod template, so that "
            "the pod is created anew without it");
    } else {
        buf_str(&m, "the webhook missed this whole pod: it has no label " LABEL_INJECTED
                    "=enabled, and neither EKS Pod Identity nor IRSA was injected");
        failure_remedy(
            finding,
            "the webhook acts only when a pod is created, and its failure is ignored, so restarting this "
            "container cannot help: check that an association exists for the pod's service account "
            "(" INJECTION_ASSOCIATIONS "), then delete the pod so that it is created anew");
    }
}

#define API_TOKEN_FILE "/var/run/secrets/kubernetes.io/serviceaccount/token"

/* A name as Kubernetes has them, and nothing that a shell would take for more. */
static bool is_name(const char *text) {
    size_t len = strlen(text);
    return len > 0 && len <= 253 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.-") == len;
}

/* EKS's issuers are https://oidc.eks.REGION.amazonaws.com/id/…, with another domain in other partitions. The
 * name for both families, https://oidc-eks.REGION.api.aws/id/…, has the same keys, but no token of 2026 names
 * it (aws/containers-roadmap 2038, rancher/eks-operator 2284): if one does one day, it is EKS's. Issuers of
 * other clusters are whatever their API servers were told. */
static bool issued_by_eks(const struct jwt_claims *c) {
    static const char plain[] = "https://oidc.eks.", dual_stack[] = "https://oidc-eks.";
    return strncmp(c->issuer, plain, sizeof plain - 1) == 0 ||
           strncmp(c->issuer, dual_stack, sizeof dual_stack - 1) == 0;
}

/* Most pods mount a token for the API server, which says whose association is missing. */
static void name_account(struct run *run, struct failure *finding) {
    static struct failure ignored;
    struct jwt_claims *c = &run->claims;
    if (finding->reason != REASON_NOT_INJECTED || run->labels.injected || run->labels.skipped ||
        token_file_read(API_TOKEN_FILE, &run->token, &ignored) != REASON_OK)
        return;
    enum err e = jwt_inspect_unverified(run->token.text, run->token.len, c, NULL);
    token_wipe(&run->token);
    if (e != ERR_OK || !is_name(c->namespace) || !is_name(c->service_account))
        return;
    struct buf m = failure_more(finding);
    buf_fmt(&m, "; this pod is of service account \"%s\" in namespace \"%s\"", c->service_account,
            c->namespace);
    const char *pod = is_name(c->pod) ? c->pod : "POD";
    if (issued_by_eks(c))
        failure_remedy(
            finding,
            "restarting this container cannot help, a new pod can: aws eks create-pod-identity-association "
            "--cluster-name CLUSTER --namespace %s --service-account %s --role-arn ROLE (aws eks "
            "list-pod-identity-associations shows whether it is there already), wait some seconds, then "
            "kubectl -n %s delete pod %s",
            c->namespace, c->service_account, c->namespace, pod);
    else
        failure_remedy(
            finding,
            "restarting this container cannot help, a new pod can: this cluster is not EKS, so give %s.%s a "
            "role in the ConfigMap of pod-identity-agent (kubectl -n pod-identity edit configmap "
            "associations, or what its --associations names), wait some seconds, then kubectl -n %s delete "
            "pod %s",
            c->namespace, c->service_account, c->namespace, pod);
}

static enum check_status own_token(const struct run *run, struct failure *finding) {
    if (run->config->source.self_injected == INJECTION_SELF_REQUIRE)
        return check_passed(finding,
                            "not injected, as asked for: this pod's own token at the standard path, and the "
                            "agent's default address, are used (--self-injected=require)");
    struct buf m = failure_begin(finding, REASON_NOT_INJECTED);
    buf_str(&m, "nothing was injected; this pod's own token at the standard path, and the agent's default "
                "address, are "
                "used, but AWS SDKs do not look there by themselves");
    failure_remedy(finding,
                   "if that is meant, say --self-injected=require, and give the SDKs the credentials of "
                   "pod-identity-sidecar, or set " INJECTION_URI " and " INJECTION_TOKEN_FILE " by hand");
    return CHECK_WARN;
}

enum check_status check_injection_pair(struct run *run, struct failure *finding) {
    const struct injection *injection = &run->source.injection;
    enum reason reason =
        source_open(&run->source, &run->config->source, run->lookup, &run->scratch, &run->opening);
    if (reason == REASON_OK)
        run->opening.reason = REASON_OK;
    if (injection->wrong == INJECTION_PART_PAIR) {
        *finding = run->opening;
        explain_by_labels(run, finding);
        name_account(run, finding);
        return CHECK_FAIL;
    }
    if (run->source.kind == SOURCE_WEB_IDENTITY) {
        struct buf m = failure_begin(finding, REASON_OK);
        buf_str(&m, INJECTION_ROLE_ARN "=");
        check_quote(&m, run->lookup(INJECTION_ROLE_ARN) != NULL ? run->lookup(INJECTION_ROLE_ARN) : "");
        buf_str(&m, " and " INJECTION_WEB_TOKEN_FILE " are set (IRSA)");
        return CHECK_PASS;
    }
    if (injection->self_injected && run->source.kind == SOURCE_POD_IDENTITY)
        return own_token(run, finding);
    return check_passed(finding, "%s and %s are set%s", INJECTION_URI, INJECTION_TOKEN_FILE,
                        run->labels.read && !run->labels.injected ? ", not by the webhook" : "");
}

/* ---- the address ---- */

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

/* The SDKs that refuse what others accept; NULL if all of them take it. Source: the host lists of each SDK.
 */
static const char *who_refuses(const struct run *run, const char **instead) {
    const struct uri *uri = &run->source.injection.uri;
    const char *mode = run->lookup("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    *instead = "let the address be http://127.0.0.1:PORT/..., which all of them accept";
    if (uri->https)
        return "botocore before 1.42.5 refuses https here, and fluent-bit speaks plain text to it";
    if (uri->kind == URI_HOST_LOCALHOST)
        return "fluent-bit refuses the name localhost";
    if (uri->kind == URI_HOST_LOOPBACK && !uri->ipv6 && !starts_with(uri->host, "127.0.0."))
        return "Kotlin and C++ take 127.0.0.1 only";
    if (uri->kind == URI_HOST_LOOPBACK && !uri->ipv6 && strcmp(uri->host, "127.0.0.1") != 0)
        return "Kotlin takes 127.0.0.1 only";
    *instead = "set AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6 for applications in Java";
    if (uri->kind == URI_HOST_EKS_V6 && (mode == NULL || strcasecmp(mode, "IPv6") != 0))
        return "Java v2 refuses the agent's IPv6 address unless AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is "
               "IPv6";
    return NULL;
}

enum check_status check_injection_uri(struct run *run, struct failure *finding) {
    const struct injection *injection = &run->source.injection;
    const char *instead;
    bool endpoint = run->opening.reason != REASON_OK && injection->wrong == INJECTION_PART_NONE;
    if (injection->wrong == INJECTION_PART_URI || endpoint) {
        *finding = run->opening;
        return CHECK_FAIL;
    }
    if (run->source.kind != SOURCE_POD_IDENTITY) {
        const struct endpoint *e =
            run->source.kind == SOURCE_WEB_IDENTITY ? &run->source.sts : &run->source.eks_auth;
        struct buf m = failure_begin(finding, REASON_OK);
        check_quote_uri(&m, &e->uri);
        buf_fmt(&m, " is asked (%s)", e->origin);
        return CHECK_PASS;
    }
    const char *refused = who_refuses(run, &instead);
    struct buf m = failure_begin(finding, refused != NULL ? REASON_INJECTION_INVALID : REASON_OK);
    check_quote_uri(&m, &injection->uri);
    if (refused != NULL) {
        buf_fmt(&m, " is accepted by some AWS SDKs only: %s", refused);
        failure_remedy(finding, "%s", instead);
        return CHECK_WARN;
    }
    buf_str(&m, injection->self_injected ? " is the agent's default address"
                                         : " is an address that AWS SDKs accept");
    return CHECK_PASS;
}

enum check_status check_injection_token_path(struct run *run, struct failure *finding) {
    if (run->opening.reason != REASON_OK) {
        *finding = run->opening;
        return CHECK_FAIL;
    }
    struct buf m = failure_begin(finding, REASON_OK);
    check_quote(&m, run->source.injection.token_path);
    buf_str(&m, run->source.injection.self_injected ? " is the standard path" : " is an absolute path");
    return CHECK_PASS;
}
