#include "common/pod/agent_error.h"

#include <stdint.h>
#include <string.h>

#include "common/pod/denial.h"

#define CLUSTER_COMMAND "aws eks list-pod-identity-associations --cluster-name CLUSTER"

#define ASSOCIATION_REMEDY                                                                                   \
    "check that an association exists for this namespace and service account in this cluster "               \
    "(" CLUSTER_COMMAND                                                                                      \
    " --namespace NAMESPACE --service-account NAME); a new one takes some seconds to be seen"
#define TRUST_REMEDY                                                                                         \
    "let the trust policy of the association's role allow the principal service pods.eks.amazonaws.com "     \
    "both "                                                                                                  \
    "sts:AssumeRole and sts:TagSession (aws iam get-role --role-name ROLE), with no condition that this "    \
    "pod does "                                                                                              \
    "not meet; a role of another account needs targetRoleArn in the association"
#define NODE_REMEDY                                                                                          \
    "let the node's role (not the pod's) do eks-auth:AssumeRoleForPodIdentity: attach "                      \
    "AmazonEKSWorkerNodePolicy to "                                                                          \
    "it, and look for a service control policy or a VPC endpoint policy that denies it"
#define TAGS_REMEDY                                                                                          \
    "the session tags that EKS Pod Identity adds, with the policies, are too large: switch them off for "    \
    "this "                                                                                                  \
    "association (disableSessionTags: aws eks update-pod-identity-association --cluster-name CLUSTER "       \
    "--association-id ID --disable-session-tags), or shorten its session policy"
#define EXPIRED_REMEDY                                                                                       \
    "the kubelet did not renew the token, or a clock is wrong: look at the kubelet's log on this node and "  \
    "at the "                                                                                                \
    "node's clock (chronyc tracking), and delete the pod so that it gets a fresh token"
#define TOKEN_REMEDY                                                                                         \
    "the token must be a projected service account token of this very cluster with audience "                \
    "pods.eks.amazonaws.com, for a pod that still exists; delete the pod so that it gets a fresh one"
#define REQUEST_REMEDY                                                                                       \
    "EKS Auth does not take the agent's request: update the add-on eks-pod-identity-agent, and check that "  \
    "it is set "                                                                                             \
    "up with this cluster's name (kubectl -n kube-system get ds eks-pod-identity-agent -o yaml)"
#define THROTTLED_REMEDY                                                                                     \
    "too many pods ask EKS Auth at once: wait and try again; if it lasts, start pods more slowly, and look " \
    "at " AGENT_LOG_HINT
#define LIMITER_REMEDY                                                                                       \
    "the agent itself takes 1,000 requests a second from a node's pods: something asks in a loop; look for " \
    "SDKs that "                                                                                             \
    "do not keep their credentials, and at " AGENT_LOG_HINT
#define SERVICE_REMEDY                                                                                       \
    "EKS Auth fails inside: " FAILURE_WAIT "the AWS Health Dashboard and "                                   \
    "at " AGENT_LOG_HINT
#define WAY_REMEDY                                                                                           \
    "the node cannot reach EKS Auth (eks-auth.REGION.api.aws, port 443): in a private subnet make the VPC "  \
    "endpoint "                                                                                              \
    "com.amazonaws.REGION.eks-auth, check route, security group and DNS, and look at " AGENT_LOG_HINT
#define WAIT_REMEDY FAILURE_WAIT AGENT_LOG_HINT
#define PROXY_REMEDY                                                                                         \
    FAILURE_NOT_AGENT ": look for a proxy or a service mesh "                                                \
                      "that takes the "                                                                      \
                      "request"
#define CLUSTER_REMEDY                                                                                       \
    "the agent asks for a cluster that EKS does not know there: correct its --cluster-name and AWS_REGION "  \
    "(kubectl -n kube-system get ds eks-pod-identity-agent -o yaml; aws eks list-clusters)"
#define ENDPOINT_REMEDY                                                                                      \
    "what the agent asks is not EKS Auth: correct its --endpoint or AWS_ENDPOINT_URL_EKS_AUTH (kubectl -n "  \
    "kube-system get ds eks-pod-identity-agent -o yaml), or look for a proxy of the node"
#define OTHER_UPSTREAM_REMEDY                                                                                \
    "the agent is well; what answered the node in EKS Auth's stead was not EKS Auth: look for a proxy "      \
    "(HTTPS_PROXY of the agent's DaemonSet), TLS inspection or a gateway between the node and "              \
    "eks-auth.REGION.api.aws, for its DNS, and at " AGENT_LOG_HINT                                           \
    "; the VPC endpoint com.amazonaws.REGION.eks-auth avoids them"
#define SHORT_REMEDY                                                                                         \
    FAILURE_CLOCK                                                                                            \
    "; if it is right, sessions of the "                                                                     \
    "association's role are too short for the agent: look at the role's maximum session duration"
#define CERTIFICATE_REMEDY                                                                                   \
    "the agent does not trust the certificate that it was shown for EKS Auth: look for a proxy or firewall " \
    "that inspects TLS between the node and eks-auth.REGION.api.aws, and exempt that host from it (the EKS " \
    "Pod Identity Agent does not read AWS_CA_BUNDLE; pod-identity-agent does)"
#define STRANGER FAILURE_NOT_AGENT ": "
#define ENVOY_REMEDY                                                                                         \
    STRANGER "Envoy, the proxy of a service mesh. Exclude the agent from it: annotation " FAILURE_ISTIO      \
             "IPRanges: 169.254.170.23/32,fd00:ec2::23/128 on the "                                          \
             "pod"
#define LINKERD_REMEDY                                                                                       \
    STRANGER "Linkerd's proxy. Exclude the agent from the mesh: annotation config.linkerd.io/skip-subnets: " \
             "169.254.170.23/32 (or " FAILURE_LINKERD "\"80\") on the pod"
#define PROXY_BOX_REMEDY                                                                                     \
    STRANGER "a proxy. No proxy is asked for this address, so one takes the connection on its way: exclude " \
             "169.254.170.23/32 and fd00:ec2::23/128 from its redirection on pod, node and network"
#define SERVER_REMEDY                                                                                        \
    STRANGER "a web server, ingress controller, proxy or captive portal. Look for what holds the node's "    \
             "host port 80 or redirects 169.254.170.23 (hostNetwork, hostPort, iptables -t nat -L on the "   \
             "node), and whether the agent runs there (kubectl -n kube-system get ds "                       \
             "eks-pod-identity-agent)"

#define NODE_KEYS_REMEDY                                                                                     \
    "EKS Auth does not take the node's signature, not the pod's token: look at the node's clock (chronyc "   \
    "tracking), at its instance profile, and at " AGENT_LOG_HINT
#define NODE_ROLE_REMEDY                                                                                     \
    "the agent has no credentials of the node: check that the node has an instance profile, that the agent " \
    "reaches the metadata service (its pod is on the host's network), and look at " AGENT_LOG_HINT

/* Where it is not EKS: the agent asks STS, and the API of EKS's associations changes nothing. */
#define KEY_REMEDY                                                                                           \
    "this cluster is not EKS: its agent takes roles from a ConfigMap (the answer's brackets name it; else "  \
    "the "                                                                                                   \
    "agent's --associations): let it have a usable value under NAMESPACE.SERVICEACCOUNT of this pod; what "  \
    "is wrong with one that is there stands in the log of pod-identity-agent on this node"
#define STS_TRUST_REMEDY                                                                                     \
    "this cluster is not EKS: let the role's trust policy allow what the answer names: "                     \
    "sts:AssumeRoleWithWebIdentity for the cluster's OIDC provider, with :aud pods.eks.amazonaws.com and "   \
    ":sub system:serviceaccount:NAMESPACE:NAME of this pod, or sts:AssumeRole and sts:TagSession for the "   \
    "agent's role, with "                                                                                    \
    "conditions on the request tags that this pod meets (aws iam get-role --role-name ROLE)"
#define STS_REQUEST_REMEDY                                                                                   \
    "STS does not take the request that the association makes: correct its session policy, duration or "     \
    "external id in the agent's ConfigMap, or set disableSessionTags there"
#define STS_REMEDY                                                                                           \
    "what the agent asks for this cluster fails (STS, or the API server: the answer says "                   \
    "which): " FAILURE_WAIT "the log of pod-identity-agent on this node"

enum remedy {
    KEY,
    STS_TRUST,
    STS_REQUEST,
    STS,
    ASSOCIATION,
    TRUST,
    NODE,
    NODE_KEYS,
    NODE_ROLE,
    TAGS,
    EXPIRED,
    TOKEN,
    REQUEST,
    THROTTLED,
    LIMITER,
    SERVICE,
    WAY,
    WAIT,
    PROXY,
    PROXY_401,
    PROXY_403,
    OUR_SIDECAR,
    HOST,
    PATH,
    REDIRECT,
    CLUSTER,
    ENDPOINT,
    OTHER_UPSTREAM,
    SHORT,
    CERTIFICATE,
    BOX /* and enum middlebox, less one */
};

static const char *const remedies[] = {
    [KEY] = KEY_REMEDY,
    [STS_TRUST] = STS_TRUST_REMEDY,
    [STS_REQUEST] = STS_REQUEST_REMEDY,
    [STS] = STS_REMEDY,
    [ASSOCIATION] = ASSOCIATION_REMEDY,
    [TRUST] = TRUST_REMEDY,
    [NODE] = NODE_REMEDY,
    [NODE_KEYS] = NODE_KEYS_REMEDY,
    [NODE_ROLE] = NODE_ROLE_REMEDY,
    [TAGS] = TAGS_REMEDY,
    [EXPIRED] = EXPIRED_REMEDY,
    [TOKEN] = TOKEN_REMEDY,
    [REQUEST] = REQUEST_REMEDY,
    [THROTTLED] = THROTTLED_REMEDY,
    [LIMITER] = LIMITER_REMEDY,
    [SERVICE] = SERVICE_REMEDY,
    [WAY] = WAY_REMEDY,
    [WAIT] = WAIT_REMEDY,
    [PROXY] = PROXY_REMEDY,
    [PROXY_401] = PROXY_REMEDY "; the agent itself never answers 401",
    [PROXY_403] = PROXY_REMEDY "; of the agent, 403 means a wrong Host only",
    [OUR_SIDECAR] =
        "a pod-identity-sidecar answered, not the agent: take AWS_CONTAINER_CREDENTIALS_FULL_URI and "
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE out of this container's env. With the sidecar's "
        "address they are for the app's container only",
    [HOST] = "the agent accepts only its own addresses as Host: use http://169.254.170.23/v1/credentials or "
             "http://[fd00:ec2::23]/v1/credentials",
    [PATH] =
        "the path is not the agent's, or something else answers there: the URI must end in /v1/credentials",
    [REDIRECT] = "the agent never redirects, and redirects are not followed: something else answers there",
    [CLUSTER] = CLUSTER_REMEDY,
    [ENDPOINT] = ENDPOINT_REMEDY,
    [OTHER_UPSTREAM] = OTHER_UPSTREAM_REMEDY,
    [SHORT] = SHORT_REMEDY,
    [CERTIFICATE] = CERTIFICATE_REMEDY,
    [BOX + MIDDLEBOX_ENVOY - 1] = ENVOY_REMEDY,
    [BOX + MIDDLEBOX_LINKERD - 1] = LINKERD_REMEDY,
    [BOX + MIDDLEBOX_PROXY - 1] = PROXY_BOX_REMEDY,
    [BOX + MIDDLEBOX_SERVER - 1] = SERVER_REMEDY,
    [BOX + MIDDLEBOX_PAGE - 1] = SERVER_REMEDY,
};

/* Arrays and not pointers: in a static PIE each pointer costs a relocation of 24 bytes. The first that fits
 * counts. */
static const struct text {
    char text[36]; /* looked for in the body */
    char cause[28];
    uint8_t reason, remedy;
    uint16_t status; /* only with that one; 0: any */
} texts[] = {
    /* More special texts first: they come within an answer that has a code too. */
    {"PackedPolicyTooLarge", "PackedPolicyTooLarge", REASON_ACCESS_DENIED, TAGS, 0},
    {"Packed size of session tags", "PackedPolicyTooLarge", REASON_ACCESS_DENIED, TAGS, 0},
    {"eks-auth:AssumeRoleForPodIdentity", "AccessDeniedException-node", REASON_ACCESS_DENIED, NODE, 0},
    {"No cluster found", "no-cluster", REASON_ACCESS_DENIED, CLUSTER, 0},
    /* The front end refuses the caller, who is the node, before it looks at the token. */
    {"(AccessDeniedException)", "AccessDeniedException-node", REASON_ACCESS_DENIED, NODE, 403},
    {"(AccessDeniedException)", "AccessDeniedException", REASON_ACCESS_DENIED, TRUST, 0},
    {"(ResourceNotFoundException)", "ResourceNotFoundException", REASON_ACCESS_DENIED, ASSOCIATION, 0},
    {"(UnknownOperation", "agent-endpoint", REASON_ACCESS_DENIED, ENDPOINT, 0},
    {"(ThrottlingException)", "ThrottlingException", REASON_THROTTLED, THROTTLED, 0},
    {"(InternalServerException)", "InternalServerException", REASON_THROTTLED, SERVICE, 0},
    {"(ServiceUnavailableException)", "ServiceUnavailableException", REASON_THROTTLED, SERVICE, 0},
    {"]: (", "node-credentials", REASON_ACCESS_DENIED, NODE_KEYS, 403},
    {"(ExpiredTokenException)", "node-credentials", REASON_ACCESS_DENIED, NODE_KEYS, 403},
    {"(InvalidSignatureException)", "node-credentials", REASON_ACCESS_DENIED, NODE_KEYS, 403},
    {"(UnrecognizedClientException)", "node-credentials", REASON_ACCESS_DENIED, NODE_KEYS, 403},
    {"(ExpiredTokenException)", "ExpiredTokenException", REASON_TOKEN_INVALID, EXPIRED, 0},
    {"(InvalidTokenException)", "InvalidTokenException", REASON_TOKEN_INVALID, TOKEN, 0},
    {"(InvalidParameterException)", "InvalidParameterException", REASON_TOKEN_INVALID, REQUEST, 0},
    {"(InvalidRequestException)", "InvalidRequestException", REASON_TOKEN_INVALID, REQUEST, 0},
    /* The agent's own. */
    {"token is expired", "token-expired", REASON_TOKEN_INVALID, EXPIRED, 0},
    {"token is not valid yet", "token-not-yet-valid", REASON_TOKEN_INVALID, EXPIRED, 0},
    {"Service account token", "token-refused", REASON_TOKEN_INVALID, TOKEN, 0},
    {"JWT signature validation", "token-refused", REASON_TOKEN_INVALID, TOKEN, 0},
    {"pod claims", "token-refused", REASON_TOKEN_INVALID, TOKEN, 0},
    /* What our own sidecar says to whoever has another bearer than its own, a service account's token; and to
     * itself, if it was given the app's variables. */
    {"the sidecar's --http-token-file", "status-401", REASON_ACCESS_DENIED, OUR_SIDECAR, 401},
    {"the first fetch has not ended", "status-503", REASON_THROTTLED, OUR_SIDECAR, 503},
    {"agent through invalid address", "host-refused", REASON_INJECTION_INVALID, HOST, 0},
    {"expired or will expire within", "short-lived", REASON_BAD_RESPONSE, SHORT, 0},
    {"failed to refresh cached credenti", "node-credentials", REASON_THROTTLED, NODE_ROLE, 0},
    {"no EC2 IMDS role found", "node-credentials", REASON_THROTTLED, NODE_ROLE, 0},
    {"x509: ", "eks-auth-certificate", REASON_THROTTLED, CERTIFICATE, 0},
    {"request send failed", "eks-auth-unreachable", REASON_THROTTLED, WAY, 0},
    {"unable to fetch credentials", "eks-auth-unreachable", REASON_THROTTLED, WAY, 0},
    {"operation error EKS Auth", "eks-auth-unreachable", REASON_THROTTLED, WAY, 0},
};

static const struct status {
    uint16_t first, last;
    char cause[12];
    uint8_t reason, remedy;
} statuses[] = {
    {300, 399, "redirect", REASON_BAD_RESPONSE, REDIRECT},
    {401, 401, "status-401", REASON_ACCESS_DENIED, PROXY_401},
    {403, 403, "status-403", REASON_ACCESS_DENIED, PROXY_403},
    {404, 404, "path", REASON_BAD_RESPONSE, PATH},
    {408, 408, "status-408", REASON_THROTTLED, WAIT},
    {429, 429, "status-429", REASON_THROTTLED, WAIT},
    {500, 599, "status-5xx", REASON_THROTTLED, WAIT},
    {0, 999, "status", REASON_BAD_RESPONSE, PROXY},
};

/* What the remedy is where it is not EKS. */
static unsigned elsewhere(unsigned remedy) {
    switch (remedy) {
    case ASSOCIATION:
        return KEY;
    case TRUST:
        return STS_TRUST;
    case TAGS:
    case REQUEST:
        return STS_REQUEST;
    case NODE_KEYS:
    case THROTTLED:
    case SERVICE:
        return STS;
    default:
        return remedy;
    }
}

static struct agent_error made(enum reason reason, const char *cause, unsigned remedy) {
    return (struct agent_error){reason, cause, remedies[remedy]};
}

/* The length of "[REQUEST-ID]", or 0. */
static size_t request_id(const char *body, size_t len) {
    const char *end = len > 0 && body[0] == '[' ? memchr(body, ']', len < 130 ? len : 130) : NULL;
    return end != NULL && memchr(body, ' ', (size_t)(end - body)) == NULL ? (size_t)(end + 1 - body) : 0;
}

/* What Kubernetes allows in a name: more is not looked for, and goes into commands to type. */
static size_t name_len(const char *text, const char *end) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
    size_t n = 0;
    while (text + n < end && memchr(allowed, text[n], sizeof allowed - 1) != NULL)
        n++;
    return n;
}

static void copy_name(const char *text, size_t len, char *out) {
    memcpy(out, text, len);
    out[len] = '\0';
}

struct agent_error_source agent_error_source(const char *text, size_t len) {
    static const char folder[] = "[" AGENT_ERROR_ASSOCIATIONS "]: (", configmap[] = "[" AGENT_ERROR_CONFIGMAP;
    struct agent_error_source s = {.there = memmem(text, len, folder, sizeof folder - 1) != NULL};
    const char *at = memmem(text, len, configmap, sizeof configmap - 1), *end = text + len;
    if (at == NULL)
        return s;
    at += sizeof configmap - 1;
    size_t namespace = name_len(at, end), name = 0;
    if (at + namespace < end && at[namespace] == '/')
        name = name_len(at + namespace + 1, end);
    const char *behind = at + namespace + 1 + name;
    if (namespace == 0 || namespace >= sizeof s.namespace || name == 0 || name >= sizeof s.name ||
        end - behind < 4 || memcmp(behind, "]: (", 4) != 0)
        return s;
    s.there = true;
    copy_name(at, namespace, s.namespace);
    copy_name(at + namespace + 1, name, s.name);
    return s;
}

static size_t without_end(const char *body, size_t len) {
    while (len > 0 && (body[len - 1] == '\n' || body[len - 1] == '\r' || body[len - 1] == ' '))
        len--;
    return len;
}

bool agent_error_is_bare(const char *body, size_t len) {
    size_t id = request_id(body, len);
    return id > 0 && id == without_end(body, len);
}

/* "[ID]: (CODE): …, fault: …" with a code that is in no table, or "(CODE): …" as eksauth.c has it. */
static bool has_code(const char *body, size_t len) {
    size_t id = request_id(body, len), at = id > 0 ? id + 2 : 0;
    return at + 2 < len && body[at] == '(' && memchr(body + at, ')', len - at) != NULL;
}

static struct agent_error other_code(int status, bool throttled) {
    if (status == 429 || throttled)
        return made(REASON_THROTTLED, "ThrottlingException", THROTTLED);
    if (status >= 500)
        return made(REASON_THROTTLED, "status-5xx", SERVICE);
    return status == 403 ? made(REASON_ACCESS_DENIED, "node-credentials", NODE_KEYS)
                         : made(REASON_ACCESS_DENIED, "request-refused", REQUEST);
}

static const struct text *find_text(int status, const char *body, size_t len) {
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const struct text *t = &texts[i];
        if ((t->status == 0 || t->status == status) && memmem(body, len, t->text, strlen(t->text)) != NULL)
            return t;
    }
    return NULL;
}

/* Nobody's text: who answered is told by the box, what it means by the status. */
static struct agent_error by_status(int status, enum middlebox box) {
    const struct status *s = statuses;
    while (s < statuses + sizeof statuses / sizeof statuses[0] - 1 && (status < s->first || status > s->last))
        s++;
    if (box == MIDDLEBOX_NONE)
        return made((enum reason)s->reason, s->cause, s->remedy);
    return made((enum reason)s->reason, "other-server", BOX + (unsigned)box - 1);
}

struct agent_error agent_error_find(int status, const char *body, size_t len, enum middlebox box) {
    static const char limiter[] = "Too Many Requests";
    if (agent_error_is_bare(body, len))
        return made(status == 429 || status >= 500 ? REASON_THROTTLED : REASON_BAD_RESPONSE, "eks-auth-other",
                    OTHER_UPSTREAM);
    const struct text *t = status >= 400 ? find_text(status, body, len) : NULL;
    if (t != NULL) {
        const char *denial = t->reason == REASON_ACCESS_DENIED ? denial_remedy(body, len) : NULL;
        unsigned remedy = agent_error_source(body, len).there ? elsewhere(t->remedy) : t->remedy;
        return (struct agent_error){(enum reason)t->reason, t->cause,
                                    denial != NULL ? denial : remedies[remedy]};
    }
    if (status >= 400 && has_code(body, len))
        return other_code(status, memmem(body, len, "Throttl", 7) != NULL);
    if (status == 429 && box == MIDDLEBOX_NONE && without_end(body, len) == sizeof limiter - 1 &&
        memcmp(body, limiter, sizeof limiter - 1) == 0)
        return made(REASON_THROTTLED, "agent-limit", LIMITER);
    return by_status(status, box);
}
