/* Requests to STS and EKS Auth, byte for byte (the signatures are botocore's, for the same keys and second),
 * and their good and broken answers. What their errors mean is test_aws_errors.c's. */
#include "tests/unit/unit.h"

#include "common/aws/eksauth.h"
#include "common/aws/sts.h"

#define NOW_S 1795610096 /* 2026-11-25T12:34:56Z */
#define FORM "application/x-www-form-urlencoded; charset=utf-8"
#define SCOPE(service)                                                                                       \
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261125/eu-west-1/" service "/aws4_request, SignedHeaders="

static const struct credentials signer = {.access_key_id = "AKIDEXAMPLE",
                                          .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                          .session_token = "the/session+token=="};
static const struct moment now = {.mono_ms = 1, .wall_ms = NOW_S * INT64_C(1000)};
static struct endpoint sts = {.region = "eu-west-1", .origin = "AWS_REGION"};
static struct endpoint eks = {.region = "eu-west-1", .origin = "AWS_REGION"};
static struct aws_call call;
static struct http_request request;
static struct credentials credentials;
static struct failure failure;

static int set_up(void **state) {
    (void)state;
    return uri_parse("https://sts.eu-west-1.amazonaws.com", &sts.uri) == ERR_OK &&
                   uri_parse("https://eks-auth.eu-west-1.api.aws", &eks.uri) == ERR_OK
               ? 0
               : 1;
}

static const char *header(const char *name) {
    for (size_t i = 0; i < request.header_count; i++) {
        if (strcmp(request.headers[i].name, name) == 0)
            return request.headers[i].value;
    }
    return NULL;
}

static void sent(const char *url, const char *body, const char *authorization) {
    assert_string_equal(request.method, "POST");
    assert_string_equal(request.url, url);
    assert_int_equal(request.body_len, strlen(body));
    assert_memory_equal(request.body, body, strlen(body));
    assert_false(request.local);
    assert_true(request.connect_timeout_ms == AWS_CALL_CONNECT_MS &&
                request.total_timeout_ms == AWS_CALL_TOTAL_MS);
    assert_string_equal(header("User-Agent"), "pod-identity-toolkit");
    if (authorization == NULL) {
        assert_int_equal(request.header_count, 2);
        return;
    }
    assert_string_equal(header("Authorization"), authorization);
    assert_string_equal(header("X-Amz-Date"), "20261125T123456Z");
}

/* ---- requests ---- */

static void caller_identity(void **state) {
    (void)state;
    struct credentials without = signer;
    without.session_token[0] = '\0';
    assert_int_equal(sts_caller_identity(&sts, &without, NOW_S, &call, &request), ERR_OK);
    sent("https://sts.eu-west-1.amazonaws.com/", "Action=GetCallerIdentity&Version=2011-06-15",
         SCOPE("sts") "content-type;host;x-amz-date, "
                      "Signature=8a00c8d075edd136cd9751305836887f5f80581c96e793539d0cae70a29187a1");
    assert_null(header("X-Amz-Security-Token"));
    assert_string_equal(header("Content-Type"), FORM);
    aws_call_wipe(&call);
    assert_int_equal(call.body_len, 0);
    for (size_t i = 0; i < sizeof call.authorization; i++)
        assert_int_equal(call.authorization[i], 0);
}

/* An emulator's or a gateway's: plain, with a port and a path. The host is signed as it is sent. */
static void another_endpoint(void **state) {
    (void)state;
    struct endpoint local = {.region = "eu-west-1", .origin = "AWS_REGION"};
    assert_int_equal(uri_parse("http://127.0.0.1:4566/base/", &local.uri), ERR_OK);
    assert_int_equal(sts_caller_identity(&local, &signer, NOW_S, &call, &request), ERR_OK);
    assert_string_equal(request.url, "http://127.0.0.1:4566/base/");
    assert_string_equal(call.host, "127.0.0.1:4566");
}

static const struct sts_role full = {.arn = "arn:aws:iam::444455556666:role/path/target",
                                     .session_name = "s@x",
                                     .external_id = "e/1",
                                     .source_identity = "who",
                                     .policy = "{\"a\": \"\xC3\xA9\"}",
                                     .duration_s = 900,
                                     .tags = {{"team", "a b"}, {"env", ""}},
                                     .tag_count = 2,
                                     .transitive = {"team"},
                                     .transitive_count = 1};
#define FULL_BODY                                                                                            \
    "&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2Fpath%2Ftarget&RoleSessionName="  \
    "s%40x"                                                                                                  \
    "&Policy=%7B%22a%22%3A%20%22%C3%A9%22%7D&DurationSeconds=900"

static void assume_role(void **state) {
    (void)state;
    assert_int_equal(sts_assume_role(&sts, &full, &signer, NOW_S, &call, &request), ERR_OK);
    sent("https://sts.eu-west-1.amazonaws.com/",
         "Action=AssumeRole" FULL_BODY "&ExternalId=e%2F1&SourceIdentity=who&Tags.member.1.Key=team&Tags."
         "member.1.Value=a%20b&Tags.member.2.Key=env"
         "&Tags.member.2.Value=&TransitiveTagKeys.member.1=team",
         SCOPE("sts") "content-type;host;x-amz-date;x-amz-security-token, "
                      "Signature=3c318f8abf150a95e89ea7bcdd5883098deb9ad30684a5459818adcf2cdd8b9d");
    assert_string_equal(header("X-Amz-Security-Token"), "the/session+token==");
}

/* Not signed, and without what only AssumeRole takes. */
static void web_identity(void **state) {
    (void)state;
    static struct token token = {.len = 9, .text = "a.b-_c.d~"};
    assert_int_equal(sts_web_identity(&sts, &full, &token, &call, &request), ERR_OK);
    sent("https://sts.eu-west-1.amazonaws.com/",
         "Action=AssumeRoleWithWebIdentity" FULL_BODY "&WebIdentityToken=a.b-_c.d~", NULL);
    const struct sts_role bare = {.arn = "arn:x", .session_name = "n"};
    assert_int_equal(sts_web_identity(&sts, &bare, &token, &call, &request), ERR_OK);
    sent("https://sts.eu-west-1.amazonaws.com/",
         "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Ax&RoleSessionName=n&"
         "WebIdentityToken="
         "a.b-_c.d~",
         NULL);
}

static void tokens_up_to_the_limit(void **state) {
    (void)state;
    static struct token token;
    const struct sts_role bare = {.arn = "arn:x", .session_name = "n"};
    token.len = STS_TOKEN_MAX;
    memset(token.text, 't', token.len);
    assert_int_equal(sts_web_identity(&sts, &bare, &token, &call, &request), ERR_OK);
    assert_true(request.body_len > STS_TOKEN_MAX);
    token.text[token.len++] = 't';
    assert_int_equal(sts_web_identity(&sts, &bare, &token, &call, &request), ERR_TOO_LONG);
    memset(token.text, 't', sizeof token.text - 1);
    token.len = sizeof token.text - 1;
    assert_int_equal(eksauth_request(&eks, "c", &token, &signer, NOW_S, &call, &request), ERR_OK);
    assert_int_equal(request.body_len, token.len + strlen("{\"token\":\"\"}"));
    memset(&token, 0, sizeof token);
}

static void a_configured_path_is_kept(void **state) {
    (void)state;
    struct endpoint other = sts;
    assert_int_equal(uri_parse("http://127.0.0.1:8443/proxied/", &other.uri), ERR_OK);
    assert_int_equal(sts_caller_identity(&other, &signer, NOW_S, &call, &request), ERR_OK);
    assert_string_equal(request.url, "http://127.0.0.1:8443/proxied/");
    assert_true(request.local);
    assert_int_equal(uri_parse("https://x.example/a", &other.uri), ERR_OK);
    assert_int_equal(
        eksauth_request(&other, "c", &(struct token){.len = 1, .text = "t"}, &signer, NOW_S, &call, &request),
        ERR_OK);
    assert_string_equal(request.url, "https://x.example/a/clusters/c/assume-role-for-pod-identity");
}

static void eks_auth(void **state) {
    (void)state;
    static struct token token = {.len = 44, .text = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzIn0.c2ln"};
    token.len = strlen(token.text);
    assert_int_equal(eksauth_request(&eks, "prod-1_a", &token, &signer, NOW_S, &call, &request), ERR_OK);
    sent("https://eks-auth.eu-west-1.api.aws/clusters/prod-1_a/assume-role-for-pod-identity",
         "{\"token\":\"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzIn0.c2ln\"}",
         SCOPE("eks-auth") "content-type;host;x-amz-date;x-amz-security-token, "
                           "Signature=43ebb1380679c1a03ea955d6233715068ecc746600183ad949317bb3c4a37892");
    assert_string_equal(header("Content-Type"), "application/json");
    token.text[3] = '"';
    assert_int_equal(eksauth_request(&eks, "c", &token, &signer, NOW_S, &call, &request), ERR_SYNTAX);
}

static void cluster_names(void **state) {
    (void)state;
    char name[EKSAUTH_CLUSTER_MAX + 2];
    static const char *const good[] = {"a", "0", "Prod-1_x"};
    static const char *const bad[] = {"", "-a", "_a", "a.b", "a/b", "a b", "a%"};
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(eksauth_cluster_valid(good[i]));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(eksauth_cluster_valid(bad[i]));
    memset(name, 'n', sizeof name);
    name[EKSAUTH_CLUSTER_MAX] = '\0';
    assert_true(eksauth_cluster_valid(name));
    name[EKSAUTH_CLUSTER_MAX] = 'n';
    name[EKSAUTH_CLUSTER_MAX + 1] = '\0';
    assert_false(eksauth_cluster_valid(name));
}

/* ---- answers ---- */

static struct http_response answered(const char *body) {
    struct http_response r = {.result = HTTP_ANSWERED, .status = 200, .body_len = strlen(body)};
    r.body = guarded(body, r.body_len + 1);
    return r;
}

#define STS_BODY(action, result)                                                                             \
    "<" action "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" action "Result>" result      \
    "</" action "Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></" action "Response>"
#define KEYS(id, secret, token, end)                                                                         \
    "<Credentials><AccessKeyId>" id "</AccessKeyId><SecretAccessKey>" secret                                 \
    "</SecretAccessKey><SessionToken>" token "</SessionToken><Expiration>" end "</Expiration></Credentials>"
#define WHO                                                                                                  \
    "<AssumedRoleUser><Arn>arn:aws:sts::444455556666:assumed-role/target/s</Arn>"                            \
    "<AssumedRoleId>AROAX:s</AssumedRoleId></AssumedRoleUser>"

static struct sts_identity user;

static enum reason of_sts(const char *body, bool web) {
    const struct http_response r = answered(body);
    return sts_credentials(&sts, &full, web, &r, now, &credentials, &user, &failure);
}

static void credentials_of_sts(void **state) {
    (void)state;
    static const char *const bodies[] = {
        STS_BODY("AssumeRole", KEYS("ASIA1", "se+cr/et", "to&#43;k==", "2026-11-25T13:34:56.789Z") WHO),
        STS_BODY("AssumeRoleWithWebIdentity",
                 WHO KEYS("ASIA1", "se+cr/et", "to+k==", "2026-11-25T13:34:56Z")),
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        assert_int_equal(of_sts(bodies[i], i == 1), REASON_OK);
        assert_string_equal(credentials.access_key_id, "ASIA1");
        assert_string_equal(credentials.secret_access_key, "se+cr/et");
        assert_string_equal(credentials.session_token, "to+k==");
        assert_string_equal(credentials.account_id, "444455556666");
        assert_string_equal(user.arn, "arn:aws:sts::444455556666:assumed-role/target/s");
        assert_string_equal(user.user_id, "AROAX:s");
        assert_int_equal(credentials.expires_ms, (NOW_S + 3600) * INT64_C(1000));
        assert_int_equal(of_sts(bodies[i], i == 0), REASON_BAD_RESPONSE); /* of the other action */
    }
    assert_int_equal(of_sts(STS_BODY("AssumeRole", KEYS("ASIA1", "s", "t", "2026-11-25T12:34:57Z")), false),
                     REASON_OK);
    assert_string_equal(credentials.account_id, "");
    assert_true(user.arn[0] == '\0' && user.user_id[0] == '\0');
}

/* Who it is, is as good as untold where it cannot be told as it is: the credentials stay good. */
static void identities_that_are_not_taken(void **state) {
    (void)state;
    static const char *const texts[] = {"", "a b", "a\"b", "a\\b", "a\xc3\xa9", "a\nb"};
    char out[8] = "before", longest[] = "1234567", longer[] = "12345678";
    for (size_t i = 0; i < COUNT(texts); i++) {
        sts_identity_take(texts[i], out, sizeof out);
        assert_string_equal(out, "");
    }
    sts_identity_take(longest, out, sizeof out);
    assert_string_equal(out, longest);
    sts_identity_take(longer, out, sizeof out);
    assert_string_equal(out, "");
    sts_identity_take(NULL, out, sizeof out);
    assert_string_equal(out, "");
    const struct http_response r =
        answered(STS_BODY("AssumeRole", KEYS("ASIA1", "s", "t", "2026-11-25T12:34:57Z") WHO));
    assert_int_equal(sts_credentials(&sts, &full, false, &r, now, &credentials, NULL, &failure), REASON_OK);
    assert_string_equal(credentials.account_id, "444455556666");
}

/* Each failure: its reason, a remedy, the part that is wrong, and nothing of the keys kept or told. */
static void broken(enum reason reason, const char *cause, const char *says) {
    static const struct credentials none;
    assert_int_equal(reason, REASON_BAD_RESPONSE);
    assert_string_equal(failure.cause, cause);
    if (strstr(failure.message, says) == NULL || failure.remedy[0] == '\0' ||
        strstr(failure.message, "s3cret") != NULL)
        fail_msg("%s | %s", failure.message, failure.remedy);
    assert_memory_equal(&credentials, &none, sizeof none);
}

static void broken_answers_of_sts(void **state) {
    (void)state;
    const struct {
        const char *body, *cause, *says;
    } rows[] = {
        {STS_BODY("AssumeRole", KEYS("ASIA1", "s3cret", "t", "2026-11-25T12:34:56Z")), "expired",
         "expired at 2026-11-25T12:34:56Z; it is 2026-11-25T12:34:56Z"},
        {STS_BODY("AssumeRole", KEYS("", "s3cret", "t", "2026-11-25T13:34:56Z")), "nonsense",
         "Credentials/AccessKeyId"},
        {STS_BODY("AssumeRole", KEYS("A B", "s3cret", "t", "2026-11-25T13:34:56Z")), "nonsense",
         "Credentials/AccessKeyId"},
        {STS_BODY("AssumeRole", KEYS("ASIA1", "s3cret\"", "t", "2026-11-25T13:34:56Z")), "nonsense",
         "Credentials/SecretAccessKey"},
        {STS_BODY("AssumeRole", KEYS("ASIA1", "s3cret", "", "2026-11-25T13:34:56Z")), "nonsense",
         "Credentials/SessionToken"},
        {STS_BODY("AssumeRole", KEYS("ASIA1", "s3cret", "t", "soon")), "nonsense", "Credentials/Expiration"},
        {STS_BODY("AssumeRole", WHO), "nonsense", "Credentials/AccessKeyId"},
        {"<html>s3cret</html>", "nonsense", "XML"},
        {"", "nonsense", "XML"},
        {"{}", "nonsense", "XML"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        broken(of_sts(rows[i].body, false), rows[i].cause, rows[i].says);
}

static void identities(void **state) {
    (void)state;
    struct sts_identity who;
    const char *body =
        STS_BODY("GetCallerIdentity", "<Arn>arn:aws:sts::1:assumed-role/r/s</Arn><UserId>u</UserId>"
                                      "<Account>123456789012</Account>");
    struct http_response r = answered(body);
    assert_int_equal(sts_identity(&sts, &r, &who, &failure), REASON_OK);
    assert_string_equal(who.account, "123456789012");
    assert_string_equal(who.arn, "arn:aws:sts::1:assumed-role/r/s");
    assert_string_equal(who.user_id, "u");
    r = answered(STS_BODY("GetCallerIdentity", "<Arn>a</Arn>"));
    assert_int_equal(sts_identity(&sts, &r, &who, &failure), REASON_BAD_RESPONSE);
    assert_non_null(strstr(failure.message, "Account"));
    r = (struct http_response){.result = HTTP_REFUSED, .body = "", .elapsed_ms = 7};
    assert_int_equal(sts_identity(&sts, &r, &who, &failure), REASON_AWS_UNREACHABLE);
    assert_non_null(strstr(failure.message, "(GetCallerIdentity) was refused"));
    assert_non_null(strstr(failure.message, "after 7 ms"));
}

static void roles_of_arns(void **state) {
    (void)state;
    char role[STS_SESSION_NAME_MAX + 1], session[STS_SESSION_NAME_MAX + 1], long_arn[300];
    assert_true(sts_role_of("arn:aws:sts::1:assumed-role/app/eks-c-p", role, session));
    assert_string_equal(role, "app");
    assert_string_equal(session, "eks-c-p");
    static const char *const others[] = {
        "arn:aws:iam::1:role/app",           "arn:aws:sts::1:assumed-role/app",
        "arn:aws:sts::1:assumed-role/app/",  "arn:aws:sts::1:assumed-role//ses",
        "arn:aws:sts::1:federated-user/app", ""};
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(sts_role_of(others[i], role, session));
    for (size_t len = STS_SESSION_NAME_MAX; len <= STS_SESSION_NAME_MAX + 1; len++) {
        snprintf(long_arn, sizeof long_arn, "arn:aws:sts::1:assumed-role/%.*s/s", (int)len,
                 "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr");
        assert_int_equal(sts_role_of(long_arn, role, session), len == STS_SESSION_NAME_MAX);
        snprintf(long_arn, sizeof long_arn, "arn:aws:sts::1:assumed-role/r/%.*s", (int)len,
                 "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss");
        assert_int_equal(sts_role_of(long_arn, role, session), len == STS_SESSION_NAME_MAX);
    }
}

#define EKS_BODY(id, secret, token, end)                                                                     \
    "{\"assumedRoleUser\":{\"arn\":\"arn:aws:sts::444455556666:assumed-role/r/s\",\"assumeRoleId\":\"x\"},"  \
    "\"credentials\":{\"accessKeyId\":" id ",\"secretAccessKey\":" secret ",\"sessionToken\":" token         \
    ",\"expiration\":" end "}}"

static enum reason of_eks(const char *body) {
    const struct http_response r = answered(body);
    return eksauth_result(&eks, "c", &r, now, &credentials, &user, &failure);
}

static void credentials_of_eks_auth(void **state) {
    (void)state;
    assert_int_equal(of_eks(EKS_BODY("\"ASIA1\"", "\"s\"", "\"t\"", "1795610097.5")), REASON_OK);
    assert_int_equal(credentials.expires_ms, (NOW_S + 1) * INT64_C(1000));
    assert_string_equal(credentials.account_id, "444455556666");
    assert_string_equal(credentials.session_token, "t");
    assert_string_equal(user.arn, "arn:aws:sts::444455556666:assumed-role/r/s");
    assert_string_equal(user.user_id, "x");
    const struct {
        const char *body, *cause, *says;
    } rows[] = {
        {EKS_BODY("\"ASIA1\"", "\"s3cret\"", "\"t\"", "1795610096"), "expired",
         "expired at 2026-11-25T12:34:56Z"},
        {EKS_BODY("7", "\"s3cret\"", "\"t\"", "1795610097"), "nonsense", "credentials.accessKeyId"},
        {EKS_BODY("\"\"", "\"s3cret\"", "\"t\"", "1795610097"), "nonsense", "credentials.accessKeyId"},
        {EKS_BODY("\"ASIA1\"", "\"s3cret \"", "\"t\"", "1795610097"), "nonsense",
         "credentials.secretAccessKey"},
        {EKS_BODY("\"ASIA1\"", "\"s3cret\"", "null", "1795610097"), "nonsense", "credentials.sessionToken"},
        {EKS_BODY("\"ASIA1\"", "\"s3cret\"", "\"t\"", "\"2026-11-25T13:00:00Z\""), "nonsense",
         "credentials.expiration"},
        {EKS_BODY("\"ASIA1\"", "\"s3cret\"", "\"t\"", "-1"), "nonsense", "credentials.expiration"},
        {EKS_BODY("\"ASIA1\"", "\"s3cret\"", "\"t\"", "253402300800"), "nonsense", "credentials.expiration"},
        {"{}", "nonsense", "credentials.accessKeyId"},
        {"[]", "nonsense", "credentials.accessKeyId"},
        {"<html>s3cret", "nonsense", "JSON"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        broken(of_eks(rows[i].body), rows[i].cause, rows[i].says);
}

/* A key as long as fits, and one more. */
static void the_longest_keys(void **state) {
    (void)state;
    char id[CREDENTIALS_KEY_ID_MAX + 3], body[1024];
    for (size_t len = CREDENTIALS_KEY_ID_MAX - 1; len <= CREDENTIALS_KEY_ID_MAX; len++) {
        memset(id, 'A', len);
        id[len] = '\0';
        enum reason wanted = len < CREDENTIALS_KEY_ID_MAX ? REASON_OK : REASON_BAD_RESPONSE;
        snprintf(body, sizeof body, EKS_BODY("\"%s\"", "\"s\"", "\"t\"", "1795610097"), id);
        assert_int_equal(of_eks(body), wanted);
        snprintf(body, sizeof body, STS_BODY("AssumeRole", KEYS("%s", "s", "t", "2026-11-25T13:34:56Z")), id);
        assert_int_equal(of_sts(body, false), wanted);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caller_identity),
        cmocka_unit_test(another_endpoint),
        cmocka_unit_test(assume_role),
        cmocka_unit_test(web_identity),
        cmocka_unit_test(tokens_up_to_the_limit),
        cmocka_unit_test(a_configured_path_is_kept),
        cmocka_unit_test(eks_auth),
        cmocka_unit_test(cluster_names),
        cmocka_unit_test(credentials_of_sts),
        cmocka_unit_test(broken_answers_of_sts),
        cmocka_unit_test(identities),
        cmocka_unit_test(identities_that_are_not_taken),
        cmocka_unit_test(roles_of_arns),
        cmocka_unit_test(credentials_of_eks_auth),
        cmocka_unit_test(the_longest_keys),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
