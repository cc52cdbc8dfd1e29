/* What the errors of STS and of EKS Auth mean: every row of their tables, and answers of others in their
 * stead. */
#include "tests/unit/unit.h"

#include "common/aws/eksauth.h"
#include "common/aws/sts.h"

#define NS "https://sts.amazonaws.com/doc/2011-06-15/"
#define XML(code, message)                                                                                   \
    "<ErrorResponse xmlns=\"" NS "\"><Error><Type>Sender</Type><Code>" code "</Code><Message>" message       \
    "</Message></Error><RequestId>b214072d</RequestId></ErrorResponse>"
#define EXPLICIT                                                                                             \
    "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: sts:AssumeRole on resource: x "

static struct endpoint endpoint = {.region = "eu-west-1", .origin = "AWS_REGION"};
static const struct sts_role role = {.arn = "arn:aws:iam::444455556666:role/target"};
static struct credentials credentials;
static struct failure failure;

static int parse(void **state) {
    (void)state;
    return uri_parse("https://sts.eu-west-1.amazonaws.com", &endpoint.uri) == ERR_OK ? 0 : 1;
}

struct row {
    struct http_response r;
    enum reason reason;
    const char *cause, *remedy, *says; /* NULL: not looked at */
};

static void check(const struct row *row, enum reason reason) {
    static const struct credentials zero;
    if (reason != row->reason || failure.reason != reason || strcmp(failure.cause, row->cause) != 0 ||
        strstr(failure.remedy, row->remedy) == NULL ||
        (row->says != NULL && strstr(failure.message, row->says) == NULL))
        fail_msg("%d %s: %d %s: %s. Remedy: %s", row->r.status, row->r.body, (int)reason, failure.cause,
                 failure.message, failure.remedy);
    assert_true(strlen(failure.remedy) < FAILURE_REMEDY_MAX - 1);
    assert_null(strpbrk(failure.message, "\r\n"));
    assert_memory_equal(&credentials, &zero, sizeof zero);
}

static struct http_response answer(const struct row *row) {
    struct http_response r = row->r;
    r.result = HTTP_ANSWERED;
    r.body = r.body != NULL ? r.body : "";
    r.body_len = strlen(r.body);
    r.body = guarded(r.body, r.body_len + 1);
    return r;
}

static const struct row of_sts[] = {
    {{.status = 400, .body = XML("ExpiredTokenException", "m")},
     REASON_TOKEN_INVALID,
     "ExpiredTokenException",
     "kubelet",
     "\"m\""},
    {{.status = 400,
      .body =
          XML("InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://o/id/A")},
     REASON_TOKEN_INVALID,
     "InvalidIdentityToken",
     "STS is active for this region",
     "https://o/id/A"},
    {{.status = 403, .body = XML("ExpiredToken", "m")},
     REASON_ACCESS_DENIED,
     "ExpiredToken",
     "have ended",
     NULL},
    {{.status = 403, .body = XML("InvalidClientTokenId", "m")},
     REASON_ACCESS_DENIED,
     "InvalidClientTokenId",
     "another partition",
     NULL},
    {{.status = 403, .body = XML("UnrecognizedClientException", "m")},
     REASON_ACCESS_DENIED,
     "UnrecognizedClientException",
     "another partition",
     NULL},
    {{.status = 403, .body = XML("SignatureDoesNotMatch", "m")},
     REASON_ACCESS_DENIED,
     AWS_CAUSE_SIGNATURE,
     "clock",
     NULL},
    {{.status = 403, .body = XML("InvalidSignatureException", "m")},
     REASON_ACCESS_DENIED,
     AWS_CAUSE_SIGNATURE,
     "clock",
     NULL},
    {{.status = 403, .body = XML("RequestTimeTooSkewed", "m")},
     REASON_ACCESS_DENIED,
     AWS_CAUSE_SIGNATURE,
     "clock",
     NULL},
    {{.status = 400, .body = XML("RequestExpired", "m")},
     REASON_ACCESS_DENIED,
     AWS_CAUSE_SIGNATURE,
     "clock",
     NULL},
    {{.status = 403, .body = XML("AccessDenied", EXPLICIT)},
     REASON_ACCESS_DENIED,
     "AccessDenied",
     "sts:TagSession",
     NULL},
    {{.status = 403,
      .body = XML("AccessDenied", EXPLICIT "with an explicit deny in a service control policy")},
     REASON_ACCESS_DENIED,
     "AccessDenied",
     "(SCP)",
     NULL},
    {{.status = 403,
      .body =
          XML("AccessDenied", EXPLICIT "because no VPC endpoint policy allows the sts:AssumeRole action")},
     REASON_ACCESS_DENIED,
     "AccessDenied",
     "VPC endpoint",
     NULL},
    {{.status = 403,
      .body =
          XML("AccessDenied", EXPLICIT "because no permissions boundary allows the sts:AssumeRole action")},
     REASON_ACCESS_DENIED,
     "AccessDenied",
     "boundary",
     NULL},
    {{.status = 403,
      .body =
          XML("AccessDenied", EXPLICIT "because no identity-based policy allows the sts:AssumeRole action")},
     REASON_ACCESS_DENIED,
     "AccessDenied",
     "own policy allows",
     NULL},
    {{.status = 403, .body = XML("IDPRejectedClaim", "m")},
     REASON_ACCESS_DENIED,
     "IDPRejectedClaim",
     "OIDC provider",
     NULL},
    {{.status = 400, .body = XML("PackedPolicyTooLarge", "m")},
     REASON_ACCESS_DENIED,
     "PackedPolicyTooLarge",
     "too large",
     NULL},
    {{.status = 400, .body = XML("MalformedPolicyDocument", "m")},
     REASON_ACCESS_DENIED,
     "MalformedPolicyDocument",
     "--session-policy-file",
     NULL},
    {{.status = 403, .body = XML("RegionDisabledException", "m")},
     REASON_ACCESS_DENIED,
     "RegionDisabledException",
     "activate STS",
     NULL},
    {{.status = 400, .body = XML("ValidationError", "m")},
     REASON_ACCESS_DENIED,
     "ValidationError",
     "--assume-role",
     NULL},
    {{.status = 400, .body = XML("IDPCommunicationError", "m")},
     REASON_THROTTLED,
     "IDPCommunicationError",
     "wait",
     NULL},
    {{.status = 400, .body = XML("Throttling", "Rate exceeded")},
     REASON_THROTTLED,
     "Throttling",
     "too many",
     "Rate exceeded"},
    {{.status = 400, .body = XML("ThrottlingException", "m")},
     REASON_THROTTLED,
     "ThrottlingException",
     "too many",
     NULL},
    {{.status = 400, .body = XML("RequestLimitExceeded", "m")},
     REASON_THROTTLED,
     "RequestLimitExceeded",
     "too many",
     NULL},
    {{.status = 503, .body = XML("SlowDown", "m")}, REASON_THROTTLED, "SlowDown", "too many", NULL},
    {{.status = 400, .body = XML("TooManyRequestsException", "m")},
     REASON_THROTTLED,
     "TooManyRequestsException",
     "too many",
     NULL},
    /* STS's own form, and a code that is in no table */
    {{.status = 400, .body = XML("InvalidParameterValue", "Role arn:aws:iam:::role/x does not exist")},
     REASON_ACCESS_DENIED,
     "refused-by-sts",
     "STS itself",
     "role/x"},
    {{.status = 403, .body = XML("OptInRequired", "m")},
     REASON_ACCESS_DENIED,
     "refused-by-sts",
     "STS itself",
     "403 OptInRequired"},
    {{.status = 429, .body = XML("NeverHeardOfIt", "m")}, REASON_THROTTLED, "status-429", "too many", NULL},
    {{.status = 500, .body = XML("InternalFailure", "m"), .who.server = "nginx"},
     REASON_THROTTLED,
     "status-5xx",
     "Health",
     NULL},
    {{.status = 400,
      .body = "<ErrorResponse xmlns=\"" NS "\"><Error><Code>OddOne</Code></Error></ErrorResponse>"},
     REASON_ACCESS_DENIED,
     "refused-by-sts",
     "STS itself",
     "400 OddOne"},
    /* Not of STS */
    {{.status = 500, .body = ""}, REASON_THROTTLED, "status-5xx", "something other than STS", "answered 500"},
    {{.status = 499, .body = ""}, REASON_BAD_RESPONSE, "status", "something other than STS", NULL},
    {{.status = 503, .body = ""}, REASON_THROTTLED, "status-5xx", "something other than STS", "answered 503"},
    {{.status = 503, .body = "", .who.amazon = true}, REASON_THROTTLED, "status-5xx", "AWS itself", NULL},
    {{.status = 429, .body = ""}, REASON_THROTTLED, "status-429", "too many", NULL},
    {{.status = 403, .body = "<html><title>Blocked</title></html>"},
     REASON_ACCESS_DENIED,
     "status-403",
     "shows a page",
     "a page of HTML \"Blocked\""},
    {{.status = 404, .body = "", .who.server = "nginx/1.27"},
     REASON_BAD_RESPONSE,
     "status",
     "web server",
     "Server: \"nginx/1.27\""},
    {{.status = 308, .body = "", .who.server = "istio-envoy"},
     REASON_BAD_RESPONSE,
     "status",
     "excludeOutboundPorts",
     "Server"},
    {{.status = 502, .body = "", .who.linkerd = true},
     REASON_THROTTLED,
     "status-5xx",
     "skip-outbound-ports",
     "l5d"},
    {{.status = 407, .body = "", .who.via = "1.1 p"}, REASON_BAD_RESPONSE, "status", "HTTPS_PROXY", "Via"},
    {{.status = 400,
      .body = "<ErrorResponse "
              "xmlns=\"urn:x\"><Error><Code>AccessDenied</Code><Message>m</Message></Error></ErrorResponse>"},
     REASON_BAD_RESPONSE,
     "status",
     "something other than STS",
     "XML \"m\""},
};

static void every_answer_of_sts(void **state) {
    (void)state;
    static const struct moment now = {.wall_ms = 1};
    for (size_t i = 0; i < COUNT(of_sts); i++) {
        struct http_response r = answer(&of_sts[i]);
        check(&of_sts[i], sts_credentials(&endpoint, &role, false, &r, now, &credentials, NULL, &failure));
    }
}

/* By web identity, role and audience come from the service account. */
static void web_identity_has_remedies_of_its_own(void **state) {
    (void)state;
    static const struct moment now = {.wall_ms = 1};
    static const struct row rows[] = {
        {{.status = 403,
          .body = XML("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")},
         REASON_ACCESS_DENIED,
         "AccessDenied",
         "OIDC provider",
         NULL},
        {{.status = 403, .body = XML("AccessDenied", "x with an explicit deny in a resource-based policy")},
         REASON_ACCESS_DENIED,
         "AccessDenied",
         "Deny",
         NULL},
        {{.status = 400, .body = XML("ValidationError", "Request ARN is invalid")},
         REASON_ACCESS_DENIED,
         "ValidationError",
         "eks.amazonaws.com/role-arn",
         NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct http_response r = answer(&rows[i]);
        check(&rows[i], sts_credentials(&endpoint, &role, true, &r, now, &credentials, NULL, &failure));
    }
}

#define JSON(message) "{\"message\":\"" message "\"}"

static const struct row of_eks_auth[] = {
    {{.status = 400, .who.error_type = "AccessDeniedException:http://x", .body = JSON("m")},
     REASON_ACCESS_DENIED,
     "AccessDeniedException",
     "sts:TagSession",
     "\"(AccessDeniedException): m\""},
    {{.status = 400, .body = "{\"__type\":\"com.amazon#InvalidTokenException\",\"message\":\"m\"}"},
     REASON_TOKEN_INVALID,
     "InvalidTokenException",
     "this very cluster",
     "(InvalidTokenException): m"},
    {{.status = 404, .body = "{\"code\":\"ResourceNotFoundException\",\"Message\":\"m\"}"},
     REASON_ACCESS_DENIED,
     "ResourceNotFoundException",
     "association",
     NULL},
    {{.status = 404,
      .who.error_type = "ResourceNotFoundException",
      .body = JSON("No cluster found for name: c.")},
     REASON_ACCESS_DENIED,
     "no-cluster",
     "--cluster-name and --region",
     NULL},
    {{.status = 400, .who.error_type = "InvalidParameterException", .body = JSON("m")},
     REASON_TOKEN_INVALID,
     "InvalidParameterException",
     "check --cluster-name",
     NULL},
    {{.status = 400, .who.error_type = "NeverHeardOfIt", .body = JSON("m")},
     REASON_ACCESS_DENIED,
     "request-refused",
     "check --cluster-name",
     "(NeverHeardOfIt)"},
    {{.status = 404, .who.error_type = "UnknownOperationException", .body = "{}"},
     REASON_ACCESS_DENIED,
     "agent-endpoint",
     "AWS_ENDPOINT_URL_EKS_AUTH",
     "(UnknownOperationException)"},
    {{.status = 403, .who.error_type = "InvalidSignatureException", .body = JSON("m")},
     REASON_ACCESS_DENIED,
     AWS_CAUSE_SIGNATURE,
     "clock",
     NULL},
    {{.status = 403, .who.error_type = "X", .body = JSON("Signature expired: 1 is now earlier than 2")},
     REASON_ACCESS_DENIED,
     AWS_CAUSE_SIGNATURE,
     "clock",
     NULL},
    {{.status = 403, .who.error_type = "UnrecognizedClientException", .body = JSON("m")},
     REASON_ACCESS_DENIED,
     "node-credentials",
     "--node-credentials",
     NULL},
    {{.status = 400, .who.error_type = "MissingAuthenticationTokenException", .body = JSON("m")},
     REASON_ACCESS_DENIED,
     "node-credentials",
     "--node-credentials",
     NULL},
    {{.status = 400, .who.error_type = "IncompleteSignatureException", .body = JSON("m")},
     REASON_ACCESS_DENIED,
     "node-credentials",
     "--node-credentials",
     NULL},
    {{.status = 403,
      .who.error_type = "AccessDeniedException",
      .body = JSON("x with an explicit deny in a service control policy")},
     REASON_ACCESS_DENIED,
     "node-credentials",
     "(SCP)",
     NULL},
    {{.status = 429, .who.error_type = "ThrottlingException", .body = JSON("m")},
     REASON_THROTTLED,
     "ThrottlingException",
     "wait and try again",
     NULL},
    {{.status = 503, .who.error_type = "ServiceUnavailableException", .body = JSON("m")},
     REASON_THROTTLED,
     "ServiceUnavailableException",
     "Health",
     NULL},
    {{.status = 500, .who.error_type = "InternalServerException", .body = JSON("m")},
     REASON_THROTTLED,
     "InternalServerException",
     "Health",
     NULL},
    {{.status = 403, .body = "<html><h1>Forbidden</h1></html>"},
     REASON_ACCESS_DENIED,
     "status-403",
     "something other than EKS Auth",
     "a page of HTML \"Forbidden\""},
    {{.status = 500, .body = "{\"SecretAccessKey\":\"short\"}"},
     REASON_THROTTLED,
     "status-5xx",
     "something other than EKS Auth",
     "JSON without a message"},
    {{.status = 503, .body = "", .who.server = "envoy"},
     REASON_THROTTLED,
     "status-5xx",
     "Envoy",
     "Server: \"envoy\""},
};

static void every_answer_of_eks_auth(void **state) {
    (void)state;
    static const struct moment now = {.wall_ms = 1};
    for (size_t i = 0; i < COUNT(of_eks_auth); i++) {
        struct http_response r = answer(&of_eks_auth[i]);
        check(&of_eks_auth[i], eksauth_result(&endpoint, "cluster", &r, now, &credentials, NULL, &failure));
        assert_null(strstr(failure.remedy, "the agent"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_of_sts),
        cmocka_unit_test(web_identity_has_remedies_of_its_own),
        cmocka_unit_test(every_answer_of_eks_auth),
    };
    return cmocka_run_group_tests(tests, parse, NULL);
}
