#include "init/diagnosis.h"

#include <string.h>

#include "common/http/http.h"
#include "common/pod/agent_error.h"

#define NODE_COMMAND                                                                                         \
    "kubectl get pods -A -o wide -l 'app.kubernetes.io/name in (eks-pod-identity-agent, "                    \
    "pod-identity-agent)' "                                                                                  \
    "--field-selector "                                                                                      \
    "spec.nodeName="

bool diagnosis_skew(const struct wait_result *r, int64_t *skew_s) {
    *skew_s = r->date_s - r->date_wall_ms / 1000;
    return r->date_s != 0;
}

/* ---- asking without a token ---- */

struct probe {
    struct buf *message;
    bool alive;
};

static void on_probed(void *context, const struct http_response *response) {
    struct probe *p = context;
    p->alive = agent_client_probe_result(response, p->message);
}

/* Appends "GET URL answered 404" or the like. */
static bool probe(struct run *run, const struct uri *uri, struct buf *message) {
    struct agent_client_probe storage;
    struct http_request request;
    struct probe p = {message, false};
    agent_client_probe_request(uri, &storage, &request);
    buf_fmt(message, "GET %s ", storage.url);
    if (http_start(&run->probe, &request, on_probed, &p) == ERR_OK)
        http_wait(&run->probe);
    return p.alive;
}

bool diagnosis_other_family(struct run *run) {
    struct buf m = BUF(run->other_family);
    if (!uri_other_family(&run->source.injection.uri, &run->other)) {
        buf_str(&m, "the address has no counterpart of the other IP version");
        return false;
    }
    buf_str(&m, "the other address: ");
    bool alive = probe(run, &run->other, &m);
    buf_str(&m, alive ? ", an agent is alive there" : ", no agent is alive there");
    return alive;
}

/* ---- what fits to which failure ---- */

static bool is_cause(const struct failure *f, const char *const *causes) {
    for (; f->cause != NULL && *causes != NULL; causes++) {
        if (strcmp(f->cause, *causes) == 0)
            return true;
    }
    return false;
}

/* Something answers, or takes connections, and it is not clear whether that is the agent. */
static bool is_unclear(const struct failure *f) {
    static const char *const causes[] = {
        "answer-timeout", "closed",       "cut-short", "not-http", "too-large",
        "no-credentials", "redirect",     "path",      "status",   "status-401",
        "status-403",     "other-server", NULL};
    return is_cause(f, causes);
}

static void add_probe(struct run *run, struct failure *f) {
    struct buf m = failure_more(f);
    buf_str(&m, "; the probe without a token: ");
    buf_str(&m, probe(run, &run->source.injection.uri, &m)
                    ? ", so an agent is alive there, and the exchange itself fails"
                    : ", so no living agent is there");
}

static void add_other_family(struct run *run, struct failure *f) {
    if (!run->config->try_other_family)
        return;
    bool alive = diagnosis_other_family(run);
    struct buf m = failure_more(f);
    buf_fmt(&m, "; %s", run->other_family);
    if (alive && uri_other_family(&run->source.injection.uri, &run->other))
        failure_remedy(f,
                       "the agent lives at the other IP version: set " INJECTION_URI
                       "=%s in the env of the pod's containers (the webhook then leaves out the pair, so "
                       "set " INJECTION_TOKEN_FILE
                       " too), and make the agent listen on both (add-on eks-pod-identity-agent)",
                       run->other.text);
}

static void add_owner(const struct jwt_claims *c, struct failure *f) {
    const char *id = check_cluster_id(c);
    struct buf m = failure_more(f);
    buf_str(&m, "; the token is for service account ");
    check_quote(&m, c->service_account);
    buf_str(&m, " in namespace ");
    check_quote(&m, c->namespace);
    if (id != NULL) {
        buf_str(&m, " of the cluster with OIDC id ");
        check_quote(&m, id);
    }
}

/* Names come from the token: only what Kubernetes allows in a name goes into a command to type. */
static bool typeable(const char *name) {
    size_t len = strlen(name);
    return len > 0 && len <= 253 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == len;
}

/* Where the agent has them from a ConfigMap, the API of EKS makes none. */
static void advise_key(const struct agent_error_source *source, const struct jwt_claims *c,
                       struct failure *f) {
    bool unusable = strstr(f->message, "cannot be used") != NULL;
    if (source->name[0] == '\0')
        failure_remedy(f,
                       "this cluster is not EKS: %s %s.%s in the ConfigMap that the agent's --associations "
                       "names%s; a new try of this container then finds it",
                       unusable ? "correct the value of" : "add the key", c->namespace, c->service_account,
                       unusable ? " (the log of pod-identity-agent on this node says what is wrong)" : "");
    else if (unusable)
        failure_remedy(f,
                       "correct the value of %s.%s, which a new try of this container then finds within "
                       "seconds: kubectl -n %s edit configmap %s (the log of pod-identity-agent on this node "
                       "says what is wrong with it)",
                       c->namespace, c->service_account, source->namespace, source->name);
    else
        failure_remedy(f,
                       "this cluster is not EKS: add the association to the agent's ConfigMap, which a new "
                       "try of this container then finds within seconds: kubectl -n %s patch configmap %s "
                       "--type=merge -p '{\"data\":{\"%s.%s\":\"{\\\"roleArn\\\":\\\"ROLE\\\"}\"}}'",
                       source->namespace, source->name, c->namespace, c->service_account);
}

static void advise_association(const struct jwt_claims *c, struct failure *f) {
    const char *id = check_cluster_id(c);
    const struct agent_error_source source = agent_error_source(f->message, strlen(f->message));
    if (!typeable(c->namespace) || !typeable(c->service_account))
        return;
    if (source.there) {
        advise_key(&source, c, f);
        return;
    }
    failure_remedy(
        f,
        "make the association, which a new try of this container then finds within seconds: aws eks "
        "create-pod-identity-association --cluster-name CLUSTER --namespace %s --service-account %s "
        "--role-arn "
        "ROLE (list-pod-identity-associations shows what there is); CLUSTER is the one whose OIDC issuer "
        "ends "
        "in %s (aws eks describe-cluster --name CLUSTER --query cluster.identity.oidc.issuer)",
        c->namespace, c->service_account, id != NULL && typeable(id) ? id : "the id of the token's issuer");
}

static void add_skew(const struct wait_result *r, struct failure *f) {
    int64_t skew_s;
    if (!diagnosis_skew(r, &skew_s) ||
        (skew_s <= DIAGNOSIS_SKEW_TOLERATED_S && skew_s >= -DIAGNOSIS_SKEW_TOLERATED_S))
        return;
    struct buf m = failure_more(f);
    buf_fmt(&m, "; this container's clock is %lld s %s the server's",
            (long long)(skew_s < 0 ? -skew_s : skew_s), skew_s > 0 ? "behind" : "ahead of");
}

/* A token that was not made for a pod, by kubectl create token for instance, is taken by nobody. */
static void add_podless(const struct jwt_claims *c, struct failure *f) {
    if (c->pod[0] != '\0' || c->issuer[0] == '\0' ||
        (f->reason != REASON_ACCESS_DENIED && f->reason != REASON_TOKEN_INVALID))
        return;
    struct buf m = failure_more(f);
    buf_str(&m, "; the token names no pod (claim kubernetes.io)");
    f->reason = REASON_TOKEN_INVALID;
    failure_remedy(
        f, "EKS Auth takes tokens of pods only: mount the projected serviceAccountToken volume of EKS Pod "
           "Identity (audience " INJECTION_AUDIENCE "), which the webhook adds, and recreate the pod");
}

/* Who is not let in at another address than the agent's has another fault than an agent that is not there. */
static bool advise_address(const struct run *run, struct failure *f) {
    static const char *const silent[] = {"refused", "no-route", "connect-timeout", "prohibited", NULL},
                             *const refused[] = {"refused", NULL};
    if (is_cause(f, refused) && check_is_loopback(run))
        failure_remedy(
            f,
            "nothing listens there, on this pod's own loopback, and no agent ever does; " CHECK_APPS_REMEDY);
    else if (is_cause(f, silent) && run->source.injection.uri.kind == URI_HOST_ECS)
        failure_remedy(f, "169.254.170.2 is the address of ECS: use the agent's, http://" URI_EKS_V4
                          "/v1/credentials");
    else
        return false;
    return true;
}

void diagnosis_extend(struct run *run) {
    struct failure *f = &run->fetched.failure;
    const struct jwt_claims *c = &run->claims;
    static const char *const refused[] = {"refused", NULL}, *const absent[] = {"ResourceNotFoundException",
                                                                               NULL};
    bool agent = run->source.kind == SOURCE_POD_IDENTITY;
    if (agent && is_unclear(f))
        add_probe(run, f);
    if (f->reason == REASON_ACCESS_DENIED && run->fetched.answered)
        add_owner(c, f);
    if (is_cause(f, absent))
        advise_association(c, f);
    else if (run->source.kind != SOURCE_WEB_IDENTITY && run->fetched.answered)
        add_podless(c, f);
    if (agent && !advise_address(run, f) && is_cause(f, refused) && typeable(c->node)) {
        struct buf m = failure_more(f);
        buf_fmt(&m, "; the node is %s", c->node);
        failure_remedy(
            f,
            "nothing listens there: the agent's DaemonSet (add-on eks-pod-identity-agent) is not running on "
            "this "
            "node, or not yet: " NODE_COMMAND
            "%s; look at that pod's events and at the node's taints. On nodes "
            "without IPv6 the agent must be told to bind IPv4 only (agent.additionalArgs -b "
            "169.254.170.23)" AGENT_CLIENT_MESH_HINT,
            c->node);
    }
    if (agent && f->reason == REASON_AGENT_UNREACHABLE)
        add_other_family(run, f);
    add_skew(&run->fetched, f);
}
