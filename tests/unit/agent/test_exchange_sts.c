/* What is asked of STS for an association, and what becomes of its answers. */
#include "tests/unit/unit.h"

#include "agent/associations.h"
#include "agent/exchange_sts.h"
#include "agent/node.h"
#include "common/aws/sts.h"
#include "common/text/uri.h"
#include "tests/unit/agent/sts_answers.h"

#define NOW_S 1795610096 /* 2026-11-25T12:34:56Z */
#define ROLE "arn:aws:iam::111122223333:role/cart"
#define TARGET "arn:aws:iam::444455556666:role/there"
#define CLUSTER_ARN "arn:aws:eks:eu-west-1:111122223333:cluster/shop"

/* ---- what the rest of the agent would do ---- */

struct aws_call exchange_call;
static struct credentials node;
static struct failure node_failure;
static bool node_there, node_failed, node_has_others;
static unsigned node_refusals;

const struct credentials *node_credentials(const struct failure **why) {
    *why = node_failed ? &node_failure : NULL;
    return node_there ? &node : NULL;
}

bool node_refused(void) {
    node_refusals++;
    return node_has_others;
}

void exchange_fail(struct exchange *slot, enum exchange_blame blame, int status, const char *request_id,
                   const char *code, const char *message, const char *fault) {
    struct buf b = BUF(slot->error.text);
    memset(&slot->error, 0, sizeof slot->error);
    b = buf_over(slot->error.text, sizeof slot->error.text);
    slot->error.blame = blame;
    slot->error.status = status;
    snprintf(slot->error.code, sizeof slot->error.code, "%s", code);
    buf_fmt(&b, "[%s]: (%s): %s, fault: %s", request_id, code, message, fault);
    assert_false(b.overflow);
}

static struct endpoint sts = {.region = "eu-west-1", .origin = "AWS_REGION"};
static struct exchange_sts_settings settings;
static struct exchange slot;
static struct association association;
static struct http_request request;
static const struct moment now = {.mono_ms = 1, .wall_ms = NOW_S * INT64_C(1000)};

static int set_up(void **state) {
    (void)state;
    memset(&slot, 0, sizeof slot);
    memset(&node, 0, sizeof node);
    node_there = node_failed = false;
    node_refusals = 0;
    node_has_others = false;
    settings =
        (struct exchange_sts_settings){.endpoint = &sts, .cluster = "shop", .cluster_arn = CLUSTER_ARN};
    exchange_sts_open(&settings);
    slot.number = 3;
    slot.first = true;
    slot.association = &association;
    association = (struct association){.role_arn = ROLE, .session_tags = true, .hash = 7};
    strcpy(slot.token.text, "head.claims.signature");
    slot.token.len = strlen(slot.token.text);
    strcpy(slot.claims.namespace, "default");
    strcpy(slot.claims.service_account, "cart");
    strcpy(slot.claims.pod, "cart-7d9f8-abcde");
    strcpy(slot.claims.pod_uid, "0badcafe-1111-2222-3333-444455556666");
    strcpy(node.access_key_id, "AKIANODE");
    strcpy(node.secret_access_key, "secret");
    return uri_parse("https://sts.eu-west-1.amazonaws.com", &sts.uri) == ERR_OK ? 0 : 1;
}

static const char *header(const char *name) {
    for (size_t i = 0; i < request.header_count; i++) {
        if (strcmp(request.headers[i].name, name) == 0)
            return request.headers[i].value;
    }
    return NULL;
}

static enum exchange_step begin(void) {
    enum exchange_step step = exchange_sts.begin(&slot, now, &request);
    slot.first = false;
    slot.association = NULL;
    return step;
}

static void sends(enum exchange_step step, const char *body) {
    assert_int_equal(step, EXCHANGE_SEND);
    if (request.body_len != strlen(body) || memcmp(request.body, body, request.body_len) != 0)
        fail_msg("sent\n%.*s, not\n%s", (int)request.body_len, (const char *)request.body, body);
}

static enum exchange_step answer(int status, const char *body, int64_t date_s) {
    struct http_response r = {
        .result = HTTP_ANSWERED, .status = status, .body = body, .body_len = strlen(body)};
    r.date_s = date_s;
    return exchange_sts.answer(&slot, &r, now, &request);
}

#define HOUR "2026-11-25T13:34:56Z"
#define COMMON "&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fcart&RoleSessionName="
#define SESSION "eks-shop-cart-7d9f8-abcde-0badcafe"

/* ---- web identity ---- */

static void web_identity(void **state) {
    (void)state;
    association.duration_s = 900;
    association.policy = "{\"a\": 1}";
    association.session_tags = false;
    assert_int_equal(begin(), EXCHANGE_SEND);
    assert_non_null(
        strstr(request.body, SESSION "&Policy=%7B%22a%22%3A%201%7D&DurationSeconds=900&WebIdentityToken="));
    (void)set_up(state);
    sends(begin(),
          "Action=AssumeRoleWithWebIdentity" COMMON SESSION "&WebIdentityToken=head.claims.signature");
    assert_null(header("Authorization"));
    assert_int_equal(answer(200, sts_granted("AssumeRoleWithWebIdentity", "ASIAONE", HOUR), 0),
                     EXCHANGE_DONE);
    assert_string_equal(slot.credentials.access_key_id, "ASIAONE");
    assert_string_equal(slot.credentials.account_id, "111122223333");
    assert_int_equal(slot.ends_wall_ms, (NOW_S + 3600) * INT64_C(1000));
    exchange_sts.wipe(&slot);
}

/* Policy, duration and external id are the target's: the pod gets its credentials. */
static void web_identity_with_a_target(void **state) {
    (void)state;
    association.target_role_arn = TARGET;
    association.external_id = "e/1";
    association.policy = "{}";
    association.duration_s = 1800;
    sends(begin(),
          "Action=AssumeRoleWithWebIdentity" COMMON SESSION "&WebIdentityToken=head.claims.signature");
    sends(answer(200, sts_granted("AssumeRoleWithWebIdentity", "ASIAONE", HOUR), 0),
          "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2Fthere"
          "&RoleSessionName=" SESSION "&Policy=%7B%7D&DurationSeconds=1800&ExternalId=e%2F1");
    assert_non_null(strstr(header("Authorization"), "Credential=ASIAONE/20261125/eu-west-1/sts/"));
    assert_string_equal(header("X-Amz-Security-Token"), "tok");
    assert_string_equal(slot.credentials.access_key_id, ""); /* those of the first role are nobody's */
    assert_int_equal(answer(200, sts_granted("AssumeRole", "ASIATWO", HOUR), 0), EXCHANGE_DONE);
    assert_string_equal(slot.credentials.access_key_id, "ASIATWO");
}

/* A target that fails for the moment is asked again with what the first role gave. */
static void the_target_is_tried_again_alone(void **state) {
    (void)state;
    association.target_role_arn = TARGET;
    (void)begin();
    (void)answer(200, sts_granted("AssumeRoleWithWebIdentity", "ASIAONE", HOUR), 0);
    assert_int_equal(answer(503, "", 0), EXCHANGE_FAILED);
    assert_true(slot.error.passing);
    assert_int_equal(slot.error.blame, EXCHANGE_WAY);
    assert_int_equal(begin(), EXCHANGE_SEND);
    assert_non_null(strstr((const char *)request.body, "444455556666"));
    /* Refused credentials of the first role are fetched anew. */
    assert_int_equal(answer(403, sts_denied("ExpiredToken", "ended"), 0), EXCHANGE_FAILED);
    assert_true(slot.error.passing);
    assert_int_equal(node_refusals, 0);
    assert_int_equal(begin(), EXCHANGE_SEND);
    assert_non_null(strstr((const char *)request.body, "AssumeRoleWithWebIdentity"));
}

static void a_long_token(void **state) {
    (void)state;
    memset(slot.token.text, 'a', STS_TOKEN_MAX + 1);
    slot.token.text[STS_TOKEN_MAX + 1] = '\0';
    slot.token.len = STS_TOKEN_MAX + 1;
    assert_int_equal(begin(), EXCHANGE_FAILED);
    assert_int_equal(slot.error.blame, EXCHANGE_POD);
    assert_string_equal(slot.error.code, "InvalidParameterException");
    assert_non_null(strstr(slot.error.text, "has 20001 characters; STS takes at most 20000"));
}

/* ---- assume role ---- */

#define TAG(n, key, value) "&Tags.member." n ".Key=" key "&Tags.member." n ".Value=" value
#define TAGS                                                                                                 \
    TAG("1", "eks-cluster-arn", "arn%3Aaws%3Aeks%3Aeu-west-1%3A111122223333%3Acluster%2Fshop")               \
    TAG("2", "eks-cluster-name", "shop")                                                                     \
    TAG("3", "kubernetes-namespace", "default")                                                              \
    TAG("4", "kubernetes-service-account", "cart")                                                           \
    TAG("5", "kubernetes-pod-name", "cart-7d9f8-abcde")                                                      \
    TAG("6", "kubernetes-pod-uid", "0badcafe-1111-2222-3333-444455556666")                                   \
    "&TransitiveTagKeys.member.1=eks-cluster-arn&TransitiveTagKeys.member.2=eks-cluster-name"                \
    "&TransitiveTagKeys.member.3=kubernetes-namespace&TransitiveTagKeys.member.4=kubernetes-service-account" \
    "&TransitiveTagKeys.member.5=kubernetes-pod-name&TransitiveTagKeys.member.6=kubernetes-pod-uid"

static void assume_role(void **state) {
    (void)state;
    association.exchange = EXCHANGE_ASSUME_ROLE;
    node_there = true;
    sends(begin(), "Action=AssumeRole" COMMON SESSION TAGS);
    assert_non_null(strstr(header("Authorization"), "Credential=AKIANODE/20261125/"));
    assert_null(header("X-Amz-Security-Token"));
    assert_int_equal(answer(200, sts_granted("AssumeRole", "ASIAONE", HOUR), 0), EXCHANGE_DONE);
}

static void fewer_tags(void **state) {
    (void)state;
    association.exchange = EXCHANGE_ASSUME_ROLE;
    node_there = true;
    association.session_tags = false;
    sends(begin(), "Action=AssumeRole" COMMON SESSION);
    association.session_tags = slot.first = true;
    slot.association = &association;
    settings.cluster_arn = NULL;
    assert_int_equal(begin(), EXCHANGE_SEND);
    assert_null(strstr((const char *)request.body, "eks-cluster-arn"));
    assert_non_null(strstr((const char *)request.body, "Tags.member.1.Key=eks-cluster-name"));
    assert_non_null(strstr((const char *)request.body, "TransitiveTagKeys.member.5=kubernetes-pod-uid"));
}

/* The tags are transitive: they are not given again. */
static void assume_role_with_a_target(void **state) {
    (void)state;
    association.exchange = EXCHANGE_ASSUME_ROLE;
    association.target_role_arn = TARGET;
    node_there = true;
    sends(begin(), "Action=AssumeRole" COMMON SESSION TAGS);
    sends(answer(200, sts_granted("AssumeRole", "ASIAONE", HOUR), 0),
          "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2Fthere"
          "&RoleSessionName=" SESSION);
}

static void the_nodes_credentials(void **state) {
    (void)state;
    association.exchange = EXCHANGE_ASSUME_ROLE;
    assert_int_equal(begin(), EXCHANGE_WAIT);
    node_failed = true;
    struct buf m = failure_begin(&node_failure, REASON_AWS_UNREACHABLE);
    buf_str(&m, "no role of the node");
    assert_int_equal(begin(), EXCHANGE_FAILED);
    assert_int_equal(slot.error.blame, EXCHANGE_NODE);
    assert_string_equal(slot.failure.message, "no role of the node");
    node_failed = false;
    node_there = true;
    sends(begin(), "Action=AssumeRole" COMMON SESSION TAGS);
    assert_int_equal(answer(403, sts_denied("InvalidClientTokenId", "who?"), 0), EXCHANGE_FAILED);
    assert_int_equal(slot.error.blame, EXCHANGE_NODE);
    assert_string_equal(slot.error.code, "UnrecognizedClientException");
    assert_true(node_refusals == 1 && !slot.error.passing);
    node_has_others = true;
    (void)begin();
    assert_int_equal(answer(403, sts_denied("InvalidClientTokenId", "who?"), 0), EXCHANGE_FAILED);
    assert_true(slot.error.passing);
}

/* ---- answers ---- */

static void errors(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *code, *as;
        int as_status;
        enum exchange_blame blame;
        bool passing;
    } table[] = {
        {403, "AccessDenied", "AccessDeniedException", 400, EXCHANGE_POD, false},
        {400, "InvalidIdentityToken", "InvalidTokenException", 400, EXCHANGE_POD, false},
        {400, "ExpiredTokenException", "ExpiredTokenException", 400, EXCHANGE_POD, false},
        {403, "IDPRejectedClaim", "AccessDeniedException", 400, EXCHANGE_POD, false},
        {400, "MalformedPolicyDocument", "InvalidParameterException", 400, EXCHANGE_POD, false},
        {400, "PackedPolicyTooLarge", "InvalidParameterException", 400, EXCHANGE_POD, false},
        {400, "ValidationError", "InvalidParameterException", 400, EXCHANGE_POD, false},
        {400, "SomethingOfMinIO", "AccessDeniedException", 400, EXCHANGE_POD, false},
        {400, "IDPCommunicationError", "ServiceUnavailableException", 503, EXCHANGE_WAY, true},
        {400, "Throttling", "ThrottlingException", 429, EXCHANGE_WAY, true},
        {503, "ServiceUnavailable", "ServiceUnavailableException", 503, EXCHANGE_WAY, true},
        {403, "RegionDisabledException", "InternalServerException", 500, EXCHANGE_NODE, false},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        (void)set_up(state);
        (void)begin();
        assert_int_equal(answer(table[i].status, sts_denied(table[i].code, "in words"), 0), EXCHANGE_FAILED);
        if (strcmp(slot.error.code, table[i].as) != 0 || slot.error.status != table[i].as_status ||
            slot.error.blame != table[i].blame || slot.error.passing != table[i].passing)
            fail_msg("%s: %d %s", table[i].code, slot.error.status, slot.error.text);
        assert_non_null(strstr(slot.error.text, "AssumeRoleWithWebIdentity " ROLE));
        assert_non_null(strstr(slot.error.text, table[i].code));
        assert_non_null(strstr(slot.error.text, "in words"));
    }
}

/* What is not STS says nothing about the pod: what is valid is kept. */
static void strangers(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *body;
    } table[] = {
        {200, ""},
        {200, "<html>"},
        {200, "{}"},
        {403, "Forbidden"},
        {404, ""},
        {302, "moved"},
        {200, "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"}};
    for (size_t i = 0; i < COUNT(table); i++) {
        (void)set_up(state);
        (void)begin();
        assert_int_equal(answer(table[i].status, table[i].body, 0), EXCHANGE_FAILED);
        if (slot.error.blame != EXCHANGE_WAY || slot.error.status != 500)
            fail_msg("%d %s: %d %s", table[i].status, table[i].body, slot.error.status, slot.error.text);
        assert_string_equal(slot.credentials.access_key_id, "");
    }
    const struct http_response none = {.result = HTTP_REFUSED, .body = ""};
    assert_int_equal(exchange_sts.answer(&slot, &none, now, &request), EXCHANGE_FAILED);
    assert_true(slot.error.passing);
    assert_int_equal(slot.error.blame, EXCHANGE_WAY);
}

static void expired_answers(void **state) {
    (void)state;
    const char *past = sts_granted("AssumeRoleWithWebIdentity", "ASIAONE", "2026-11-25T12:34:56Z");
    (void)begin();
    assert_int_equal(answer(200, past, 0), EXCHANGE_FAILED);
    assert_int_equal(slot.error.blame, EXCHANGE_WAY);
    settings.pass_expired = true;
    assert_int_equal(begin(), EXCHANGE_SEND);
    assert_int_equal(answer(200, past, 0), EXCHANGE_DONE);
}

/* They end by STS's clock where that is ahead. */
static void clocks(void **state) {
    (void)state;
    (void)begin();
    const char *body = sts_granted("AssumeRoleWithWebIdentity", "ASIAONE", HOUR);
    assert_int_equal(answer(200, body, NOW_S + 600), EXCHANGE_DONE);
    assert_int_equal(slot.ends_wall_ms, (NOW_S + 3000) * INT64_C(1000) - 999);
    assert_int_equal(begin(), EXCHANGE_SEND);
    assert_int_equal(answer(200, body, NOW_S - 600), EXCHANGE_DONE);
    assert_int_equal(slot.ends_wall_ms, (NOW_S + 3600) * INT64_C(1000));
}

static void a_clock_that_is_off(void **state) {
    (void)state;
    association.exchange = EXCHANGE_ASSUME_ROLE;
    node_there = true;
    (void)begin();
    assert_string_equal(header("X-Amz-Date"), "20261125T123456Z");
    assert_int_equal(answer(403, sts_denied("SignatureDoesNotMatch", "expired"), NOW_S + 3600),
                     EXCHANGE_SEND);
    assert_string_equal(header("X-Amz-Date"), "20261125T133456Z");
    /* Once. */
    assert_int_equal(answer(403, sts_denied("SignatureDoesNotMatch", "no"), NOW_S + 7200), EXCHANGE_FAILED);
    assert_int_equal(slot.error.blame, EXCHANGE_NODE);
}

/* ---- the review of a token ---- */

static struct api_server server;

static const char *nothing(const char *name) {
    (void)name;
    return NULL;
}

static int set_up_review(void **state) {
    struct failure f;
    int result = set_up(state);
    write_file(scratch_path("token"), "own", 3);
    settings.review = &server;
    settings.audience = "pods.eks.amazonaws.com";
    return api_server_open(&server, "https://api.example:6443", scratch_folder(), nothing, &f) == REASON_OK
               ? result
               : 1;
}

#define REVIEW                                                                                               \
    "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenReview\",\"spec\":{\"audiences\":["        \
    "\"pods.eks.amazonaws.com\"],\"token\":\"head.claims.signature\"}}"

static void reviewed_first(void **state) {
    (void)state;
    sends(begin(), REVIEW);
    assert_string_equal(request.url, "https://api.example:6443/apis/authentication.k8s.io/v1/tokenreviews");
    assert_string_equal(header("Authorization"), "Bearer own");
    sends(answer(201, "{\"kind\":\"TokenReview\",\"status\":{\"authenticated\":true,\"user\":{}}}", 0),
          "Action=AssumeRoleWithWebIdentity" COMMON SESSION "&WebIdentityToken=head.claims.signature");
    assert_int_equal(answer(200, sts_granted("AssumeRoleWithWebIdentity", "ASIAONE", HOUR), 0),
                     EXCHANGE_DONE);
}

/* test_token_review.c has the others. */
static void a_review_that_refuses(void **state) {
    (void)state;
    (void)begin();
    assert_int_equal(answer(201, "{\"status\":{\"error\":\"pod is gone\"}}", 0), EXCHANGE_FAILED);
    assert_int_equal(slot.error.blame, EXCHANGE_POD);
    assert_string_equal(slot.error.code, "InvalidTokenException");
    assert_int_equal(begin(), EXCHANGE_SEND);
    assert_int_equal(answer(500, "", 0), EXCHANGE_FAILED);
    assert_int_equal(slot.error.blame, EXCHANGE_WAY);
    assert_int_equal(slot.error.status, 503);
}

/* ---- names ---- */

static void session_names(void **state) {
    (void)state;
    static const struct {
        const char *cluster, *pod, *uid, *name;
    } table[] = {
        {"shop", "cart-0", "0badcafe-1111", "eks-shop-cart-0-0badcafe"},
        {"c", "p", "u", "eks-c-p-u"},
        {"a-cluster-of-a-long-name", "web", "12345678", "eks-a-cluster-of-a-l-web-12345678"},
        {"shop", "a.pod/with:else", "12345678", "eks-shop-a.pod-with-else-12345678"},
    };
    char name[STS_SESSION_NAME_MAX + 1], pod[254];
    for (size_t i = 0; i < COUNT(table); i++) {
        exchange_sts_session_name(table[i].cluster, table[i].pod, table[i].uid, name);
        assert_string_equal(name, table[i].name);
    }
    memset(pod, 'p', 253);
    pod[253] = '\0';
    exchange_sts_session_name("a-cluster-of-a-long-name", pod, "12345678-9", name);
    assert_int_equal(strlen(name), STS_SESSION_NAME_MAX);
    assert_string_equal(name + STS_SESSION_NAME_MAX - 9, "-12345678");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup(f, set_up)
        TEST(web_identity),
        TEST(web_identity_with_a_target),
        TEST(the_target_is_tried_again_alone),
        TEST(a_long_token),
        TEST(assume_role),
        TEST(fewer_tags),
        TEST(assume_role_with_a_target),
        TEST(the_nodes_credentials),
        TEST(errors),
        TEST(strangers),
        TEST(expired_answers),
        TEST(clocks),
        TEST(a_clock_that_is_off),
        cmocka_unit_test_setup(reviewed_first, set_up_review),
        cmocka_unit_test_setup(a_review_that_refuses, set_up_review),
        TEST(session_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
