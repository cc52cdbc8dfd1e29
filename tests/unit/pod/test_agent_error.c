/* What each answer of the agent means: every row of its tables, and the answers of others in its stead. */
#include "tests/unit/unit.h"

#include "common/pod/agent_error.h"
#include "common/pod/denial.h"

#define SAID(code) "[8d3f0f3e-0b0a-4c5e-9d4e-5f6a7b8c9d0e]: (" code "): words, fault: client\n"
#define UNKNOWN(code) "[8d3f0f3e-0b0a-4c5e-9d4e-5f6a7b8c9d0e]: (" code "): words, fault: unknown\n"
#define CHAIN                                                                                                \
    "unable to fetch credentials from EKS Auth: operation error EKS Auth: AssumeRoleForPodIdentity, "

/* As its reader sees it. */
static const char *remedy_of(const struct agent_error *e) {
    static struct failure f;
    failure_remedy(&f, "%s", e->remedy);
    return f.remedy;
}

struct row {
    int status;
    const char *body;
    enum reason reason;
    const char *cause, *remedy; /* a part of it */
};

static const struct row rows[] = {
    /* EKS Auth, through the agent */
    {400, SAID("AccessDeniedException"), REASON_ACCESS_DENIED, "AccessDeniedException", "sts:TagSession"},
    {403, SAID("AccessDeniedException"), REASON_ACCESS_DENIED, "AccessDeniedException-node", "node's role"},
    {400,
     "[1]: (AccessDeniedException): User: arn:aws:sts::1:assumed-role/n/i is not authorized to perform: "
     "eks-auth:AssumeRoleForPodIdentity on resource: x, fault: client",
     REASON_ACCESS_DENIED, "AccessDeniedException-node", "node's role"},
    {403,
     "[1]: (AccessDeniedException): User: x is not authorized to perform: eks-auth:AssumeRoleForPodIdentity "
     "on "
     "resource: y with an explicit deny in a service control policy, fault: client",
     REASON_ACCESS_DENIED, "AccessDeniedException-node", "service control policy"},
    {400,
     "[1]: (AccessDeniedException): x because no VPC endpoint policy allows the "
     "eks-auth:AssumeRoleForPodIdentity action, fault: client",
     REASON_ACCESS_DENIED, "AccessDeniedException-node", "VPC endpoint"},
    {404, SAID("ResourceNotFoundException"), REASON_ACCESS_DENIED, "ResourceNotFoundException",
     "association"},
    {404, "[1]: (ResourceNotFoundException): No cluster found for name: prod., fault: client",
     REASON_ACCESS_DENIED, "no-cluster", "--cluster-name"},
    {400, SAID("ExpiredTokenException"), REASON_TOKEN_INVALID, "ExpiredTokenException", "kubelet"},
    {403, UNKNOWN("ExpiredTokenException"), REASON_ACCESS_DENIED, "node-credentials", "instance profile"},
    {403, UNKNOWN("InvalidSignatureException"), REASON_ACCESS_DENIED, "node-credentials", "node's clock"},
    {403, UNKNOWN("UnrecognizedClientException"), REASON_ACCESS_DENIED, "node-credentials",
     "node's signature"},
    {403, UNKNOWN("MissingAuthenticationTokenException"), REASON_ACCESS_DENIED, "node-credentials", "node's"},
    {403, UNKNOWN("NeverHeardOfIt"), REASON_ACCESS_DENIED, "node-credentials", "not the pod's token"},
    {404, UNKNOWN("UnknownOperationException"), REASON_ACCESS_DENIED, "agent-endpoint", "--endpoint"},
    {400, UNKNOWN("NeverHeardOfIt"), REASON_ACCESS_DENIED, "request-refused", "agent's request"},
    {413, UNKNOWN("RequestEntityTooLarge"), REASON_ACCESS_DENIED, "request-refused", "agent's request"},
    {429, UNKNOWN("TooMany"), REASON_THROTTLED, "ThrottlingException", "too many pods"},
    {400, UNKNOWN("Throttling"), REASON_THROTTLED, "ThrottlingException", "too many pods"},
    {500, UNKNOWN("InternalFailure"), REASON_THROTTLED, "status-5xx", "EKS Auth fails"},
    {400, SAID("InvalidTokenException"), REASON_TOKEN_INVALID, "InvalidTokenException", "this very cluster"},
    {400, SAID("InvalidParameterException"), REASON_TOKEN_INVALID, "InvalidParameterException",
     "update the add-on"},
    {400, SAID("InvalidRequestException"), REASON_TOKEN_INVALID, "InvalidRequestException",
     "update the add-on"},
    {400, "[1]: (InvalidRequestException): PackedPolicyTooLarge: x", REASON_ACCESS_DENIED,
     "PackedPolicyTooLarge", "disableSessionTags"},
    {400, "[1]: (InvalidRequestException): Packed size of session tags consumes 112%", REASON_ACCESS_DENIED,
     "PackedPolicyTooLarge", "disableSessionTags"},
    {429, SAID("ThrottlingException"), REASON_THROTTLED, "ThrottlingException", "too many pods"},
    {500, SAID("InternalServerException"), REASON_THROTTLED, "InternalServerException", "EKS Auth fails"},
    {503, SAID("ServiceUnavailableException"), REASON_THROTTLED, "ServiceUnavailableException",
     "EKS Auth fails"},
    /* The agent speaks; what answered the node was not EKS Auth. */
    {500, "[]\n", REASON_THROTTLED, "eks-auth-other", "agent is well"},
    {200, "[]\n", REASON_BAD_RESPONSE, "eks-auth-other", "TLS inspection"},
    {302, "[]\n", REASON_BAD_RESPONSE, "eks-auth-other", "TLS inspection"},
    {403, "[8d3f0f3e-0b0a-4c5e-9d4e-5f6a7b8c9d0e]\n", REASON_BAD_RESPONSE, "eks-auth-other", "proxy"},
    {503, "[8d3f0f3e-0b0a-4c5e-9d4e-5f6a7b8c9d0e]\n", REASON_THROTTLED, "eks-auth-other", "gateway"},
    {429, "[abc]", REASON_THROTTLED, "eks-auth-other", "com.amazonaws.REGION.eks-auth"},
    {429, "[abc] \r\n\n", REASON_THROTTLED, "eks-auth-other", "com.amazonaws.REGION.eks-auth"},
    /* The agent's own */
    {400, "Service account token cannot be empty\n", REASON_TOKEN_INVALID, "token-refused", "projected"},
    {400, "Service account token cannot be parsed: token is malformed: x\n", REASON_TOKEN_INVALID,
     "token-refused", "projected"},
    {400, "Service account token failed basic claim validations: token is expired\n", REASON_TOKEN_INVALID,
     "token-expired", "kubelet"},
    {400, "Service account token failed basic claim validations: token is not valid yet\n",
     REASON_TOKEN_INVALID, "token-not-yet-valid", "clock"},
    {400, "Service account token failed claim validations: missing claim: kubernetes.io/pod\n",
     REASON_TOKEN_INVALID, "token-refused", "for a pod that still exists"},
    {400, "JWT signature validation failed: cryptographic validation failed: x\n", REASON_TOKEN_INVALID,
     "token-refused", "this very cluster"},
    {400, "the token has no pod claims\n", REASON_TOKEN_INVALID, "token-refused",
     "for a pod that still exists"},
    {403,
     "Access Denied. Called agent through invalid address, please use either [169.254.170.23] address not "
     "h\n",
     REASON_INJECTION_INVALID, "host-refused", "as Host"},
    {429, "Too Many Requests\n", REASON_THROTTLED, "agent-limit", "1,000 requests"},
    {429, "Too Many Requests, says the gateway\n", REASON_THROTTLED, "status-429", "wait"},
    {500, "fetched credentials are expired or will expire within the next 12.30 seconds\n",
     REASON_BAD_RESPONSE, "short-lived", "maximum session duration"},
    {500, CHAIN "get identity: get credentials: failed to refresh cached credentials, x\n", REASON_THROTTLED,
     "node-credentials", "instance profile"},
    {500, CHAIN "no EC2 IMDS role found\n", REASON_THROTTLED, "node-credentials", "metadata service"},
    {500,
     CHAIN
     "request send failed, Post \"https://x\": tls: failed to verify certificate: x509: unknown authority\n",
     REASON_THROTTLED, "eks-auth-certificate", "AWS_CA_BUNDLE"},
    {500, CHAIN "request send failed, Post \"https://x\": dial tcp: i/o timeout\n", REASON_THROTTLED,
     "eks-auth-unreachable", "VPC endpoint"},
    {500, "unable to fetch credentials: x\n", REASON_THROTTLED, "eks-auth-unreachable", "VPC endpoint"},
    {500, "operation error EKS Auth: AssumeRoleForPodIdentity, x\n", REASON_THROTTLED, "eks-auth-unreachable",
     "route"},
    /* Nobody's */
    {302, "", REASON_BAD_RESPONSE, "redirect", "never redirects"},
    {401, "", REASON_ACCESS_DENIED, "status-401", "never answers 401"},
    {401, "{\"message\":\"set AWS_X to the sidecar's --http-token-file.\"}", REASON_ACCESS_DENIED,
     "status-401", "a pod-identity-sidecar answered"},
    {503, "{\"code\":\"THROTTLED\",\"message\":\"the first fetch has not ended yet\"}", REASON_THROTTLED,
     "status-503", "a pod-identity-sidecar answered"},
    {403, "", REASON_ACCESS_DENIED, "status-403", "wrong Host"},
    {404, "404 page not found\n", REASON_BAD_RESPONSE, "path", "/v1/credentials"},
    {408, "", REASON_THROTTLED, "status-408", "wait"},
    {429, "", REASON_THROTTLED, "status-429", "wait"},
    {502, "", REASON_THROTTLED, "status-5xx", "wait"},
    {418, "", REASON_BAD_RESPONSE, "status", "proxy or a service mesh"},
    {400, "[not an id]: (X) words", REASON_BAD_RESPONSE, "status", "proxy or a service mesh"},
};

static void every_row(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct row *r = &rows[i];
        struct agent_error e =
            agent_error_find(r->status, guarded(r->body, strlen(r->body)), strlen(r->body), MIDDLEBOX_NONE);
        if (e.reason != r->reason || strcmp(e.cause, r->cause) != 0 ||
            strstr(remedy_of(&e), r->remedy) == NULL)
            fail_msg("%d %s: %d %s %s", r->status, r->body, (int)e.reason, e.cause, remedy_of(&e));
    }
}

static void every_remedy_fits_and_names_its_subject(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct agent_error e =
            agent_error_find(rows[i].status, rows[i].body, strlen(rows[i].body), MIDDLEBOX_NONE);
        assert_true(strlen(remedy_of(&e)) < FAILURE_REMEDY_MAX - 1 && strchr(e.remedy, '%') == NULL);
        assert_true(strlen(e.cause) < 28);
    }
}

/* Where the agent takes associations from a ConfigMap, and whom it names. */
static void where_it_is_not_eks(void **state) {
    (void)state;
    static const struct {
        const char *text, *remedy, *namespace, *name;
        bool there;
    } table[] = {
        {"[configmap:pod-identity/a.b]: (ResourceNotFoundException): x, fault: client\n",
         "NAMESPACE.SERVICEACCOUNT", "pod-identity", "a.b", true},
        {"[associations]: (ResourceNotFoundException): x, fault: client\n", "NAMESPACE.SERVICEACCOUNT", "",
         "", true},
        {"[associations]: (AccessDeniedException): x, fault: client\n", "OIDC provider", "", "", true},
        {"[associations]: (ThrottlingException): x, fault: server\n", "STS, or the API server", "", "", true},
        {"[associations]: (InvalidParameterException): x, fault: client\n", "session policy", "", "", true},
        {"[associations]: (InvalidTokenException): x, fault: client\n", "audience pods.eks", "", "", true},
        {"[]: (ResourceNotFoundException): x, fault: client\n", "aws eks list-pod", "", "", false},
        {SAID("ResourceNotFoundException"), "aws eks list-pod", "", "", false},
        {"[associations] (ResourceNotFoundException)", "aws eks list-pod", "", "", false},
        {"[configmap:a/b;reboot]: (ResourceNotFoundException): x\n", "aws eks list-pod", "", "", false},
        {"[configmap:/b]: (ResourceNotFoundException): x\n", "aws eks list-pod", "", "", false},
        {"[configmap:a]: (ResourceNotFoundException): x\n", "aws eks list-pod", "", "", false},
        {"(ResourceNotFoundException)[configmap:a/b]: ", "aws eks list-pod", "", "", false},
        {"(ResourceNotFoundException)[configmap:a/", "aws eks list-pod", "", "", false},
        {"(ResourceNotFoundException)[configmap:a", "aws eks list-pod", "", "", false},
        {"(ResourceNotFoundException)[configmap:", "aws eks list-pod", "", "", false},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        size_t len = strlen(table[i].text);
        const char *text = guarded(table[i].text, len);
        struct agent_error_source s = agent_error_source(text, len);
        struct agent_error e = agent_error_find(404, text, len, MIDDLEBOX_NONE);
        assert_int_equal(s.there, table[i].there);
        assert_string_equal(s.namespace, table[i].namespace);
        assert_string_equal(s.name, table[i].name);
        if (strstr(remedy_of(&e), table[i].remedy) == NULL)
            fail_msg("%s: %s", table[i].text, remedy_of(&e));
    }
}

static void who_answered(void **state) {
    (void)state;
    static const struct {
        struct http_response r;
        enum middlebox box;
        const char *remedy;
    } table[] = {
        {{.who.server = "envoy"}, MIDDLEBOX_ENVOY, "excludeOutboundIPRanges"},
        {{.who.server = "istio-envoy"}, MIDDLEBOX_ENVOY, "excludeOutboundIPRanges"},
        {{.body = "upstream connect error or disconnect/reset before headers"}, MIDDLEBOX_ENVOY, "Envoy"},
        {{.body = "no healthy upstream"}, MIDDLEBOX_ENVOY, "Envoy"},
        {{.body = "RBAC: access denied"}, MIDDLEBOX_ENVOY, "Envoy"},
        {{.who.linkerd = true}, MIDDLEBOX_LINKERD, "skip-subnets"},
        {{.who.server = "squid/6", .who.via = "1.1 p (squid)"}, MIDDLEBOX_PROXY, "redirection"},
        {{.who.via = "1.1 gw"}, MIDDLEBOX_PROXY, "redirection"},
        {{.who.server = "Squid"}, MIDDLEBOX_PROXY, "redirection"},
        {{.who.server = "nginx/1.27"}, MIDDLEBOX_SERVER, "host port 80"},
        {{.body = " \r\n<!DOCTYPE html><p>Sign in"}, MIDDLEBOX_PAGE, "captive portal"},
        {{.body = "<html><body><h1>503</h1></body></html>"}, MIDDLEBOX_PAGE, "host port 80"},
    };
    static const int statuses[] = {200, 301, 308, 400, 403, 404, 429, 502, 503, 504};
    for (size_t i = 0; i < COUNT(table) * COUNT(statuses); i++) {
        struct http_response r = table[i / COUNT(statuses)].r;
        r.status = statuses[i % COUNT(statuses)];
        r.body = r.body != NULL ? r.body : "";
        r.body_len = strlen(r.body);
        enum middlebox box = middlebox_of(&r);
        assert_int_equal(box, table[i / COUNT(statuses)].box);
        struct agent_error e = agent_error_find(r.status, r.body, r.body_len, box);
        if (strstr(remedy_of(&e), table[i / COUNT(statuses)].remedy) == NULL ||
            strstr(remedy_of(&e), "something other than") == NULL)
            fail_msg("%zu: %s", i, remedy_of(&e));
        assert_string_equal(e.cause, "other-server");
        /* With the agent's own text it is the agent that speaks, whoever handed it on. */
        static const char own[] = SAID("ResourceNotFoundException");
        assert_string_equal(agent_error_find(404, own, sizeof own - 1, box).cause,
                            "ResourceNotFoundException");
    }
    struct http_response plain = {.body = "404 page not found\n", .body_len = 19};
    assert_int_equal(middlebox_of(&plain), MIDDLEBOX_NONE);
}

static void evidence_is_shown(void **state) {
    (void)state;
    static const struct {
        struct http_response r;
        const char *shown;
    } table[] = {
        {{.who.server = ""}, ""},
        {{.who.server = "envoy"}, " (Server: \"envoy\")"},
        {{.who.via = "1.1 p"}, " (Via: \"1.1 p\")"},
        {{.who.server = "squid/6", .who.via = "1.1 p"}, " (Server: \"squid/6\", Via: \"1.1 p\")"},
        {{.who.server = "x", .who.linkerd = true}, " (Server: \"x\", an l5d-proxy-error)"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char text[256];
        struct buf m = BUF(text);
        middlebox_put(&table[i].r, &m);
        assert_string_equal(text, table[i].shown);
    }
}

static void which_policy_denies(void **state) {
    (void)state;
    static const char *const table[][2] = {
        {"with an explicit deny in a VPC endpoint policy", "VPC endpoint"},
        {"because no VPC endpoint policy allows the sts:AssumeRole action", "VPC endpoint"},
        {"with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o/p", "(SCP)"},
        {"because no service control policy allows the sts:AssumeRole action", "(SCP)"},
        {"with an explicit deny in a resource control policy", "(RCP)"},
        {"because no permissions boundary allows the sts:AssumeRole action", "boundary"},
        {"with an explicit deny in a session policy", "session policy"},
        {"with an explicit deny in a resource-based policy", "trust policy"},
        {"with an explicit deny in an identity-based policy", "policy of the role that asks"},
        {"is not authorized with an explicit deny", "wins over every Allow"},
        {"because no identity-based policy allows the sts:AssumeRole action", NULL},
        {"because no resource-based policy allows the sts:AssumeRole action", NULL},
        {"is not authorized to perform: sts:AssumeRole", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        const char *remedy = denial_remedy(guarded(table[i][0], strlen(table[i][0])), strlen(table[i][0]));
        if (table[i][1] == NULL)
            assert_null(remedy);
        else if (remedy == NULL || strstr(remedy, table[i][1]) == NULL)
            fail_msg("%s: %s", table[i][0], remedy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row),         cmocka_unit_test(every_remedy_fits_and_names_its_subject),
        cmocka_unit_test(who_answered),      cmocka_unit_test(where_it_is_not_eks),
        cmocka_unit_test(evidence_is_shown), cmocka_unit_test(which_policy_denies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
