/* A source as a chain of hops, driven with answers as text: which requests it makes, when a hop is asked
 * again, what it does when one fails or a clock is off. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/source/source.h"

#define START_MS INT64_C(1795610096000) /* 2026-11-25T12:34:56Z */
#define HOUR_MS INT64_C(3600000)
#define TARGET "arn:aws:iam::444455556666:role/target"
#define LAST "arn:aws:iam::777788889999:role/last"

static struct { const char *name, *value; } variables[16];
static size_t variable_count;

static const char *lookup(const char *name) {
    for (size_t i = 0; i < variable_count; i++) {
        if (strcmp(name, variables[i].name) == 0)
            return variables[i].value;
    }
    return NULL;
}

static void set(const char *name, const char *value) {
    variables[variable_count].name = name;
    variables[variable_count++].value = value;
}

static struct source source;
static struct source_scratch scratch;
static struct source_options options;
static struct http_request request;
static struct failure failure;
static struct moment now;

/* A fresh source in an empty environment, with a token and a bundle of authorities. */
static int fresh(void **state) {
    (void)state;
    memset(&source, 0, sizeof source);
    memset(&options, 0, sizeof options);
    variable_count = 0;
    now = (struct moment){.mono_ms = 1000, .wall_ms = START_MS};
    write_file(scratch_path("token"), "a.b.c\n", 6);
    write_file(scratch_path("ca.pem"), "x", 1);
    set("AWS_CA_BUNDLE", strdup(scratch_path("ca.pem")));
    set("HOSTNAME", "cart-1");
    options.self_injected = INJECTION_SELF_NEVER;
    return 0;
}

static int done(void **state) {
    (void)state;
    free((void *)(uintptr_t)variables[0].value);
    return 0;
}

static void inject_agent(void) {
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", scratch_path("token"));
}

static void inject_web_identity(void) {
    set("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app");
    set("AWS_WEB_IDENTITY_TOKEN_FILE", scratch_path("token"));
    set("AWS_REGION", "eu-west-1");
}

static void chain(const char *first, const char *second) {
    options.roles[options.role_count++].arn = first;
    if (second != NULL)
        options.roles[options.role_count++].arn = second;
}

static void opened(enum source_kind kind) {
    assert_int_equal(source_open(&source, &options, lookup, &scratch, &failure), REASON_OK);
    assert_int_equal(source.kind, kind);
}

/* What is asked next: part of the URL or of the body. */
static void asks(enum source_step step, const char *part) {
    static char text[AWS_CALL_BODY_MAX + 1024];
    if (step != SOURCE_SEND)
        fail_msg("step %d: %s", (int)step, failure.message);
    snprintf(text, sizeof text, "%s %s %.*s", request.method, request.url, (int)request.body_len,
             request.body != NULL ? (const char *)request.body : "");
    if (strstr(text, part) == NULL)
        fail_msg("%s: no %s", text, part);
}

static const char *signer(void) {
    for (size_t i = 0; i < request.header_count; i++) {
        if (strcmp(request.headers[i].name, "Authorization") == 0)
            return request.headers[i].value;
    }
    return "";
}

static enum source_step begin(void) {
    return source_begin(&source, now, &request, &failure);
}

static struct http_response response(int status, const char *body) {
    return (struct http_response){
        .result = HTTP_ANSWERED, .status = status, .body = body, .body_len = strlen(body)};
}

static enum source_step answer(struct http_response r) {
    enum source_step step;
    source_forget(&source);
    step = source_answer(&source, &r, now, &request, &failure);
    return step;
}

static const char *time_text(int64_t wall_ms) {
    static char text[TIME_UTC_MAX];
    time_format_utc(wall_ms / 1000, text);
    return text;
}

static struct http_response of_agent(const char *id, int64_t life_ms) {
    static char body[512];
    snprintf(body, sizeof body,
             "{\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"%s\","
             "\"AccountId\":"
             "\"123456789012\"}",
             id, time_text(now.wall_ms + life_ms));
    return response(200, body);
}

static struct http_response of_sts(const char *action, const char *id, int64_t life_ms) {
    static char body[1024];
    snprintf(body, sizeof body,
             "<%sResponse "
             "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><%sResult><Credentials><AccessKeyId>%s"
             "</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</"
             "SessionToken><Expiration>%s</Expiration>"
             "</Credentials></%sResult></%sResponse>",
             action, action, id, time_text(now.wall_ms + life_ms), action, action);
    return response(200, body);
}

static struct http_response denied(const char *code) {
    static char body[512];
    snprintf(body, sizeof body,
             "<ErrorResponse "
             "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>%s</Code>"
             "<Message>no</Message></Error></ErrorResponse>",
             code);
    return response(403, body);
}

static void has(const char *id) {
    assert_string_equal(source_credentials(&source)->access_key_id, id);
}

/* ---- which source ---- */

static void the_agent(void **state) {
    (void)state;
    inject_agent();
    opened(SOURCE_POD_IDENTITY);
    assert_false(source_uses_tls(&source));
    assert_int_equal(source_silence(&source), REASON_AGENT_UNREACHABLE);
    asks(begin(), "GET http://169.254.170.23/v1/credentials");
    assert_string_equal(signer(), "a.b.c");
    assert_int_equal(answer(of_agent("ASIA1", HOUR_MS)), SOURCE_DONE);
    has("ASIA1");
    assert_true(source_ends_wall_ms(&source) == START_MS + HOUR_MS);
    assert_int_equal(scratch.token.len, 0);                    /* forgotten */
    asks(begin(), "GET http://169.254.170.23/v1/credentials"); /* the last hop is asked at each fetch */
    source_wipe_result(&source);
    has("");
}

static void auto_takes_what_was_injected(void **state) {
    (void)state;
    inject_web_identity();
    opened(SOURCE_WEB_IDENTITY);
    assert_true(source_uses_tls(&source));
    assert_int_equal(source_silence(&source), REASON_AWS_UNREACHABLE);
    assert_string_equal(source_upstream(&source)->host, "sts.eu-west-1.amazonaws.com");
    asks(begin(), "Action=AssumeRoleWithWebIdentity");
    asks(SOURCE_SEND, "RoleSessionName=cart-1");
    asks(SOURCE_SEND, "WebIdentityToken=a.b.c");
    assert_int_equal(answer(of_sts("AssumeRoleWithWebIdentity", "ASIA1", HOUR_MS)), SOURCE_DONE);
    has("ASIA1");
    inject_agent();
    source.hop_count = 0;
    opened(SOURCE_POD_IDENTITY); /* comes first */
    options.kind = SOURCE_WEB_IDENTITY;
    opened(SOURCE_WEB_IDENTITY);
}

static void nothing_injected(void **state) {
    (void)state;
    assert_int_equal(source_open(&source, &options, lookup, &scratch, &failure), REASON_NOT_INJECTED);
    inject_web_identity();
    options.kind = SOURCE_POD_IDENTITY;
    assert_int_equal(source_open(&source, &options, lookup, &scratch, &failure), REASON_NOT_INJECTED);
}

static void session_names(void **state) {
    (void)state;
    inject_web_identity();
    set("AWS_ROLE_SESSION_NAME", "who is/it?");
    opened(SOURCE_WEB_IDENTITY);
    asks(begin(), "RoleSessionName=who-is-it-&");
    variables[variable_count - 1].value = "";
    variables[1].value = "x"; /* HOSTNAME: too short a name for STS */
    source.hop_count = 0;
    opened(SOURCE_WEB_IDENTITY);
    asks(begin(), "RoleSessionName=x-pod&");
    variables[1].value = "";
    opened(SOURCE_WEB_IDENTITY);
    asks(begin(), "RoleSessionName=pod-identity&");
    char name[STS_SESSION_NAME_MAX + 10];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    variables[1].value = name;
    opened(SOURCE_WEB_IDENTITY);
    asks(begin(), "RoleSessionName=");
    assert_int_equal(strlen(source.session_name), STS_SESSION_NAME_MAX);
}

/* ---- chains ---- */

static void each_hop_signs_with_the_one_before(void **state) {
    (void)state;
    inject_agent();
    set("AWS_REGION", "eu-west-1");
    chain(TARGET, LAST);
    opened(SOURCE_POD_IDENTITY);
    assert_true(source_uses_tls(&source));
    asks(begin(), "169.254.170.23");
    asks(answer(of_agent("ASIAPOD", 6 * HOUR_MS)),
         "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A444455556666");
    assert_non_null(strstr(signer(), "Credential=ASIAPOD/20261125/eu-west-1/sts/"));
    assert_int_equal(source_silence(&source), REASON_AWS_UNREACHABLE);
    asks(answer(of_sts("AssumeRole", "ASIATARGET", HOUR_MS)), "RoleArn=arn%3Aaws%3Aiam%3A%3A777788889999");
    assert_non_null(strstr(signer(), "Credential=ASIATARGET/"));
    assert_int_equal(answer(of_sts("AssumeRole", "ASIALAST", HOUR_MS)), SOURCE_DONE);
    has("ASIALAST");

    now.wall_ms = START_MS + HOUR_MS / 2 - 1; /* before half of the second's life: the last alone */
    asks(begin(), "777788889999");
    assert_int_equal(answer(of_sts("AssumeRole", "ASIALAST2", HOUR_MS)), SOURCE_DONE);
    now.wall_ms = START_MS + HOUR_MS / 2;
    asks(begin(), "444455556666");
    asks(answer(of_sts("AssumeRole", "ASIATARGET2", HOUR_MS)), "777788889999");
    assert_int_equal(answer(of_sts("AssumeRole", "ASIALAST3", HOUR_MS)), SOURCE_DONE);
    now.wall_ms = START_MS + 3 * HOUR_MS; /* half of the first's */
    asks(begin(), "169.254.170.23");
    source_renew(&source);
    now.wall_ms = START_MS;
    asks(begin(), "169.254.170.23");
}

static void a_hop_that_fails_is_used_while_it_lasts(void **state) {
    (void)state;
    inject_agent();
    set("AWS_REGION", "eu-west-1");
    chain(TARGET, NULL);
    opened(SOURCE_POD_IDENTITY);
    asks(begin(), "169.254.170.23");
    asks(answer(of_agent("ASIAPOD", HOUR_MS)), "444455556666");
    assert_int_equal(answer(of_sts("AssumeRole", "ASIATARGET", HOUR_MS)), SOURCE_DONE);
    const struct http_response nobody = {.result = HTTP_REFUSED, .body = ""};
    now.wall_ms = START_MS + HOUR_MS - 60001;
    asks(begin(), "169.254.170.23");
    asks(answer(nobody), "444455556666");
    assert_non_null(strstr(signer(), "Credential=ASIAPOD/"));
    assert_int_equal(answer(of_sts("AssumeRole", "ASIATARGET2", HOUR_MS)), SOURCE_DONE);
    now.wall_ms = START_MS + HOUR_MS - 60000;
    asks(begin(), "169.254.170.23");
    assert_int_equal(answer(nobody), SOURCE_FAILED);
    assert_int_equal(failure.reason, REASON_AGENT_UNREACHABLE);
}

/* Who reads the log counts hops from 1, as the messages do. */
static void a_hop_that_fails_is_named_in_the_log(void **state) {
    (void)state;
    int log = open(scratch_path("log"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const struct http_response nobody = {.result = HTTP_REFUSED, .body = ""};
    inject_agent();
    set("AWS_REGION", "eu-west-1");
    chain(TARGET, NULL);
    opened(SOURCE_POD_IDENTITY);
    asks(begin(), "169.254.170.23");
    asks(answer(of_agent("ASIAPOD", HOUR_MS)), "444455556666");
    assert_int_equal(answer(of_sts("AssumeRole", "ASIATARGET", HOUR_MS)), SOURCE_DONE);
    now.wall_ms = START_MS + HOUR_MS / 2;
    asks(begin(), "169.254.170.23");
    log_setup(LOG_INFO, LOG_LOGFMT, log);
    asks(answer(nobody), "444455556666");
    log_setup(LOG_INFO, LOG_LOGFMT, STDERR_FILENO);
    close(log);
    assert_non_null(strstr(read_file(scratch_path("log"), NULL), " hop=1 reason=AGENT_UNREACHABLE "));
}

static char held[1024];

static void take_secret(void *context, const char *secret, size_t len) {
    (void)context;
    size_t used = strlen(held);
    snprintf(held + used, sizeof held - used, "%.*s;", (int)len, secret);
}

/* What no message may repeat; and of an answer nothing stays but where it is kept. */
static void its_secrets_are_known_and_lie_in_one_place(void **state) {
    (void)state;
    static const struct source_scratch empty;
    inject_agent();
    opened(SOURCE_POD_IDENTITY);
    asks(begin(), "169.254.170.23");
    assert_int_equal(answer(of_agent("ASIAPOD", HOUR_MS)), SOURCE_DONE);
    assert_memory_equal(&scratch.fresh, &empty.fresh, sizeof empty.fresh);
    held[0] = '\0';
    source.secrets.visit(&source.secrets, take_secret, NULL);
    assert_non_null(strstr(held, "s;t;"));
    assert_non_null(strstr(held, "a.b.c;"));
    assert_memory_equal(&scratch.token, &empty.token, sizeof empty.token);
}

/* Who signed may have been revoked: the next fetch begins with the first hop. */
static void a_denial_renews_the_chain(void **state) {
    (void)state;
    inject_agent();
    set("AWS_REGION", "eu-west-1");
    chain(TARGET, NULL);
    opened(SOURCE_POD_IDENTITY);
    asks(begin(), "169.254.170.23");
    asks(answer(of_agent("ASIAPOD", HOUR_MS)), "444455556666");
    assert_int_equal(answer(response(500, "")), SOURCE_FAILED);
    asks(begin(), "444455556666");
    assert_int_equal(answer(denied("AccessDenied")), SOURCE_FAILED);
    assert_int_equal(failure.reason, REASON_ACCESS_DENIED);
    asks(begin(), "169.254.170.23");
}

/* ---- clocks ---- */

static void a_clock_that_is_off_is_corrected_once(void **state) {
    (void)state;
    inject_agent();
    set("AWS_REGION", "eu-west-1");
    chain(TARGET, NULL);
    opened(SOURCE_POD_IDENTITY);
    asks(begin(), "169.254.170.23");
    asks(answer(of_agent("ASIAPOD", HOUR_MS)), "444455556666");
    struct http_response r = denied("SignatureDoesNotMatch");
    r.date_s = START_MS / 1000 + 59; /* not far enough to be the cause */
    assert_int_equal(answer(r), SOURCE_FAILED);
    source.hops[0].renew_wall_ms = START_MS + 1;
    asks(begin(), "444455556666");
    r.date_s = START_MS / 1000 + 24 * 3600;
    asks(answer(r), "444455556666");
    assert_non_null(strstr(signer(), "/20261126/"));
    assert_int_equal(answer(r), SOURCE_FAILED);
    assert_int_equal(source.skew_ms, 24 * HOUR_MS);
}

static void credentials_end_by_the_servers_clock(void **state) {
    (void)state;
    inject_web_identity();
    opened(SOURCE_WEB_IDENTITY);
    asks(begin(), "WebIdentity");
    struct http_response r = of_sts("AssumeRoleWithWebIdentity", "ASIA1", HOUR_MS);
    r.date_s = START_MS / 1000 + 120;
    r.elapsed_ms = 5;
    assert_int_equal(answer(r), SOURCE_DONE);
    assert_true(source_ends_wall_ms(&source) == START_MS + HOUR_MS - (120000 + 999 + 5));
    asks(begin(), "WebIdentity");
    r = of_sts("AssumeRoleWithWebIdentity", "ASIA1", 60000); /* over, by that clock */
    r.date_s = START_MS / 1000 + 120;
    assert_int_equal(answer(r), SOURCE_FAILED);
    assert_int_equal(failure.reason, REASON_BAD_RESPONSE);
    asks(begin(), "WebIdentity");
    r.date_s = START_MS / 1000 - 3600; /* behind ours: ours counts */
    assert_int_equal(answer(r), SOURCE_DONE);
    assert_true(source_ends_wall_ms(&source) == START_MS + 60000);
}

static void a_token_that_cannot_be_read(void **state) {
    (void)state;
    inject_agent();
    opened(SOURCE_POD_IDENTITY);
    remove(scratch_path("token"));
    assert_int_equal(begin(), SOURCE_FAILED);
    assert_int_equal(failure.reason, REASON_TOKEN_UNREADABLE);
}

/* ---- EKS Auth ---- */

static void eks_auth_with_the_nodes_credentials(void **state) {
    (void)state;
    inject_agent();
    set("AWS_REGION", "eu-west-1");
    options.kind = SOURCE_EKS_AUTH;
    options.cluster_name = "prod";
    opened(SOURCE_EKS_AUTH);
    asks(begin(), "PUT http://169.254.169.254/latest/api/token");
    asks(answer(response(200, "session")),
         "GET http://169.254.169.254/latest/meta-data/iam/security-credentials/");
    asks(answer(response(200, "node-role")), "/security-credentials/node-role");
    asks(answer(of_agent("ASIANODE", HOUR_MS)),
         "/clusters/prod/assume-role-for-pod-identity {\"token\":\"a.b.c\"}");
    assert_non_null(strstr(signer(), "Credential=ASIANODE/"));
    char body[400];
    snprintf(body, sizeof body,
             "{\"credentials\":{\"accessKeyId\":\"ASIA1\",\"secretAccessKey\":\"s\",\"sessionToken\":\"t\","
             "\"expiration\":%lld}}",
             (long long)(START_MS / 1000 + 3600));
    assert_int_equal(answer(response(200, body)), SOURCE_DONE);
    has("ASIA1");
    asks(begin(), "/clusters/prod/"); /* the node's are kept for half of their life */
    set("AWS_ACCESS_KEY_ID", "AKIAENV");
    set("AWS_SECRET_ACCESS_KEY", "s");
    options.node = SOURCE_NODE_ENVIRONMENT;
    opened(SOURCE_EKS_AUTH);
    source_wipe(&source);
    asks(begin(), "/clusters/prod/");
    assert_non_null(strstr(signer(), "Credential=AKIAENV/"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, done)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_agent),
        TEST(auto_takes_what_was_injected),
        TEST(nothing_injected),
        TEST(session_names),
        TEST(each_hop_signs_with_the_one_before),
        TEST(a_hop_that_fails_is_used_while_it_lasts),
        TEST(a_hop_that_fails_is_named_in_the_log),
        TEST(its_secrets_are_known_and_lie_in_one_place),
        TEST(a_denial_renews_the_chain),
        TEST(a_clock_that_is_off_is_corrected_once),
        TEST(credentials_end_by_the_servers_clock),
        TEST(a_token_that_cannot_be_read),
        TEST(eks_auth_with_the_nodes_credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
