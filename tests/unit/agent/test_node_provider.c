/* Where the agent's own credentials come from: which source is chosen, what it asks, what its answers are
 * taken for, and the words of each failure. */
#include "tests/unit/unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "agent/node_provider.h"

#define NOW_MS INT64_C(1795610096000) /* 2026-11-25T12:34:56Z */
#define KEYS(end)                                                                                            \
    "{\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"" end "\"}"

static const struct moment now = {.wall_ms = NOW_MS};
static struct node_provider p;
static struct settings settings;
static struct failure failure;
static struct token token;
static struct aws_call call;
static struct http_request request;

static struct variable { const char *name, *value; } variables[16];

static const char *lookup(const char *name) {
    for (size_t i = 0; i < COUNT(variables) && variables[i].name != NULL; i++) {
        if (strcmp(name, variables[i].name) == 0)
            return variables[i].value;
    }
    return NULL;
}

static void set(const char *name, const char *value) {
    size_t i = 0;
    while (variables[i].name != NULL && strcmp(variables[i].name, name) != 0)
        i++;
    variables[i] = (struct variable){name, value};
}

static int fresh(void **state) {
    (void)state;
    memset(variables, 0, sizeof variables);
    memset(&settings, 0, sizeof settings);
    memset(&p, 0, sizeof p);
    set("HOME", scratch_folder());
    set("AWS_REGION", "eu-central-1");
    return 0;
}

static enum reason open_it(void) {
    memset(&p, 0, sizeof p);
    return node_provider_open(&p, &settings, lookup, &failure);
}

static enum node_provider_step begin(void) {
    return node_provider_begin(&p, &token, &call, &request, &failure);
}

static enum node_provider_step answer(int status, const char *body) {
    struct http_response r = {.result = HTTP_ANSWERED, .status = status, .body_len = strlen(body)};
    r.body = guarded(body, r.body_len + 1);
    return node_provider_answer(&p, &r, now, &token, &call, &request, &failure);
}

static enum node_provider_step silence(enum http_result result) {
    struct http_response r = {.result = result, .body = "", .elapsed_ms = 2000};
    return node_provider_answer(&p, &r, now, &token, &call, &request, &failure);
}

static void says(const char *message, const char *remedy) {
    if (strstr(failure.message, message) == NULL || strstr(failure.remedy, remedy) == NULL)
        fail_msg("%s | %s", failure.message, failure.remedy);
}

/* ---- the order ---- */

static void order(void **state) {
    (void)state;
    const char *file = scratch_path("shared");
    write_file(file, "[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = f\n", 63);
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
    assert_int_equal(open_it(), REASON_OK);
    assert_int_equal(p.kind, NODE_PROVIDER_IMDS);
    set("AWS_SHARED_CREDENTIALS_FILE", file);
    assert_int_equal(open_it(), REASON_OK);
    assert_int_equal(p.kind, NODE_PROVIDER_FILE);
    set("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
    set("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/agent");
    assert_int_equal(open_it(), REASON_OK);
    assert_int_equal(p.kind, NODE_PROVIDER_WEB_IDENTITY);
    set("AWS_ACCESS_KEY_ID", "AKIAENV");
    set("AWS_SECRET_ACCESS_KEY", "s");
    assert_int_equal(open_it(), REASON_OK);
    assert_int_equal(p.kind, NODE_PROVIDER_ENVIRONMENT);
    settings.rotate_credentials = true; /* that file alone */
    assert_int_equal(open_it(), REASON_OK);
    assert_int_equal(p.kind, NODE_PROVIDER_FILE);
    set("AWS_SHARED_CREDENTIALS_FILE", "/nowhere/credentials");
    assert_int_equal(open_it(), REASON_OK); /* it may come later */
    assert_int_equal(begin(), NODE_PROVIDER_FAILED);
    says("/nowhere/credentials cannot be read: No such file", "AWS_SHARED_CREDENTIALS_FILE");
    set("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    assert_int_equal(open_it(), REASON_SETTING_INVALID);
    says("neither AWS_SHARED_CREDENTIALS_FILE nor HOME", "absolute path");
}

static void environment(void **state) {
    (void)state;
    set("AWS_ACCESS_KEY_ID", "AKIAENV");
    set("AWS_SECRET_ACCESS_KEY", "secret");
    assert_int_equal(open_it(), REASON_OK);
    assert_int_equal(begin(), NODE_PROVIDER_DONE);
    assert_string_equal(p.credentials.access_key_id, "AKIAENV");
    assert_string_equal(p.credentials.session_token, "");
    assert_true(p.ends_ms == CLOCK_NEVER);
    assert_string_equal(p.region, "eu-central-1");
    const struct {
        const char *id, *secret, *token, *says;
    } bad[] = {
        {"AKIA", NULL, NULL, "has AWS_ACCESS_KEY_ID, and not AWS_SECRET_ACCESS_KEY"},
        {"", "s", NULL, "has AWS_SECRET_ACCESS_KEY, and not AWS_ACCESS_KEY_ID"},
        {"AK IA", "geheim", NULL, "AWS_ACCESS_KEY_ID of the agent holds what is no key"},
        {"AKIA", "gehe\nim", NULL, "AWS_SECRET_ACCESS_KEY of the agent holds what is no key"},
        {"AKIA", "geheim", "to\nken", "AWS_SESSION_TOKEN of the agent holds what is no key"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        set("AWS_ACCESS_KEY_ID", bad[i].id);
        set("AWS_SECRET_ACCESS_KEY", bad[i].secret);
        set("AWS_SESSION_TOKEN", bad[i].token);
        assert_int_equal(open_it(), REASON_SETTING_INVALID);
        says(bad[i].says, "one Secret");
        assert_true(failure.permanent && p.credentials.secret_access_key[0] == '\0');
        assert_null(strstr(failure.message, "gehe"));
    }
}

/* ---- the region ---- */

static void region(void **state) {
    (void)state;
    set("AWS_ACCESS_KEY_ID", "AKIAENV");
    set("AWS_SECRET_ACCESS_KEY", "secret");
    set("AWS_DEFAULT_REGION", "us-east-2");
    assert_int_equal(open_it(), REASON_OK);
    assert_string_equal(p.region, "eu-central-1");
    set("AWS_REGION", "");
    assert_int_equal(open_it(), REASON_OK);
    assert_string_equal(p.region, "us-east-2");
    settings.region = "eu-west-1";
    assert_int_equal(open_it(), REASON_OK);
    assert_string_equal(p.region, "eu-west-1");
    settings.region = NULL;
    set("AWS_DEFAULT_REGION", "us-east-2a");
    assert_int_equal(open_it(), REASON_SETTING_INVALID);
    says("AWS_DEFAULT_REGION=us-east-2a is a zone", "eu-central-1");
    /* nobody says it: the metadata service is asked, for these credentials as for its own */
    set("AWS_DEFAULT_REGION", NULL);
    assert_int_equal(open_it(), REASON_OK);
    assert_int_equal(begin(), NODE_PROVIDER_SEND);
    assert_string_equal(request.method, "PUT");
    assert_string_equal(request.url, "http://169.254.169.254/latest/api/token");
    assert_int_equal(answer(200, "session"), NODE_PROVIDER_SEND);
    assert_string_equal(request.url, "http://169.254.169.254/latest/meta-data/placement/region");
    assert_string_equal(request.headers[0].value, "session");
    assert_true(request.local);
    assert_int_equal(answer(200, "eu-north-1"), NODE_PROVIDER_DONE);
    assert_string_equal(p.region, "eu-north-1");
    assert_string_equal(p.credentials.access_key_id, "AKIAENV");
    static const char *const wrong[] = {
        "", "<html>", "Frankfurt", "a-region-name-that-is-much-longer-than-a-label-of-the-dns-may-ever-be"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_int_equal(open_it(), REASON_OK);
        assert_int_equal(begin(), NODE_PROVIDER_SEND);
        assert_int_equal(answer(200, "session"), NODE_PROVIDER_SEND);
        assert_int_equal(answer(200, wrong[i]), NODE_PROVIDER_FAILED);
        says("answered 200 with what is no region", "set AWS_REGION");
        assert_false(failure.permanent);
    }
    assert_int_equal(open_it(), REASON_OK);
    assert_int_equal(begin(), NODE_PROVIDER_SEND);
    assert_int_equal(silence(HTTP_CONNECT_TIMEOUT), NODE_PROVIDER_FAILED);
    says("after 2000 ms", "asked for the region: set AWS_REGION");
    assert_int_equal(begin(), NODE_PROVIDER_SEND);
    assert_int_equal(answer(200, "session"), NODE_PROVIDER_SEND);
    assert_int_equal(answer(404, ""), NODE_PROVIDER_FAILED);
    says("placement/region answered 404", "--region");
}

/* ---- the metadata service ---- */

static enum node_provider_step up_to_credentials(void) {
    assert_int_equal(begin(), NODE_PROVIDER_SEND);
    assert_int_equal(answer(200, "session"), NODE_PROVIDER_SEND);
    return answer(200, "node-role");
}

static void imds(void **state) {
    (void)state;
    assert_int_equal(open_it(), REASON_OK);
    assert_int_equal(up_to_credentials(), NODE_PROVIDER_SEND);
    assert_string_equal(request.url,
                        "http://169.254.169.254/latest/meta-data/iam/security-credentials/node-role");
    assert_int_equal(answer(200, KEYS("2026-11-25T18:34:56Z")), NODE_PROVIDER_DONE);
    assert_true(p.ends_ms == NOW_MS + 6 * 3600000);
    /* what has ended is used, and asked for again soon: AWS has nothing better just then */
    assert_int_equal(up_to_credentials(), NODE_PROVIDER_SEND);
    assert_int_equal(answer(200, KEYS("2026-11-25T12:34:56Z")), NODE_PROVIDER_DONE);
    assert_true(p.ends_ms == NOW_MS + NODE_PROVIDER_STALE_MS);
    assert_string_equal(p.credentials.access_key_id, "ASIA1");
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6");
    set("AWS_REGION", NULL);
    assert_int_equal(open_it(), REASON_OK);
    assert_int_equal(begin(), NODE_PROVIDER_SEND);
    assert_string_equal(request.url, "http://[fd00:ec2::254]/latest/api/token");
    assert_int_equal(answer(200, "session"), NODE_PROVIDER_SEND);
    assert_string_equal(request.url, "http://[fd00:ec2::254]/latest/meta-data/placement/region");
    assert_int_equal(answer(200, "eu-north-1"), NODE_PROVIDER_SEND);
    assert_string_equal(request.url, "http://[fd00:ec2::254]/latest/meta-data/iam/security-credentials/");
    assert_int_equal(answer(200, "node-role"), NODE_PROVIDER_SEND);
    assert_int_equal(answer(200, KEYS("2026-11-25T18:34:56Z")), NODE_PROVIDER_DONE);
    assert_int_equal(up_to_credentials(), NODE_PROVIDER_SEND); /* the region is known from now on */
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "https://169.254.169.254");
    assert_int_equal(open_it(), REASON_SETTING_INVALID);
    says("AWS_EC2_METADATA_SERVICE_ENDPOINT=", "unset");
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", NULL);
    set("AWS_EC2_METADATA_DISABLED", "TRUE");
    assert_int_equal(open_it(), REASON_SETTING_INVALID);
    says("AWS_EC2_METADATA_DISABLED is true", "AWS_WEB_IDENTITY_TOKEN_FILE");
}

static void imds_that_does_not_help(void **state) {
    (void)state;
    const struct {
        int step, status;
        const char *body, *says, *remedy;
    } rows[] = {
        {0, 403, "", "api/token answered 403", "hostNetwork: true"},
        {1, 404, "", "security-credentials/ answered 404", "AmazonEKSWorkerNodePolicy"},
        {0, 200, "", "a session token", "kube2iam"},
        {1, 200, "<html>", "a role's name", "kube2iam"},
        {2, 200, "{}", "AccessKeyId", "kube2iam"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(open_it(), REASON_OK);
        assert_int_equal(begin(), NODE_PROVIDER_SEND);
        for (int k = 0; k < rows[i].step; k++)
            assert_int_equal(answer(200, k == 0 ? "session" : "role"), NODE_PROVIDER_SEND);
        assert_int_equal(answer(rows[i].status, rows[i].body), NODE_PROVIDER_FAILED);
        says(rows[i].says, rows[i].remedy);
        assert_null(strstr(failure.remedy, "--node-credentials")); /* an option of another program */
    }
    assert_int_equal(begin(), NODE_PROVIDER_SEND);
    assert_int_equal(silence(HTTP_REFUSED), NODE_PROVIDER_FAILED);
    says("PUT http://169.254.169.254/latest/api/token", "--http-endpoint enabled");
    assert_null(strstr(failure.remedy, "--node-credentials"));
}

/* ---- web identity ---- */

static void web_identity(void **state) {
    (void)state;
    const char *path = scratch_path("web-token");
    write_file(path, "aaa.bbb.ccc\n", 12);
    set("AWS_WEB_IDENTITY_TOKEN_FILE", path);
    set("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/agent");
    assert_int_equal(open_it(), REASON_OK);
    assert_int_equal(begin(), NODE_PROVIDER_SEND);
    assert_string_equal(request.url, "https://sts.eu-central-1.amazonaws.com/");
    assert_non_null(strstr(request.body, "RoleSessionName=pod-identity-agent"));
    assert_non_null(strstr(request.body, "WebIdentityToken=aaa.bbb.ccc"));
    assert_int_equal(
        answer(200, "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
                    "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAWEB</AccessKeyId>"
                    "<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
                    "<Expiration>2026-11-25T13:34:56Z</Expiration></Credentials>"
                    "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"),
        NODE_PROVIDER_DONE);
    assert_string_equal(p.credentials.access_key_id, "ASIAWEB");
    assert_true(p.ends_ms == NOW_MS + 3600000);
    assert_int_equal(begin(), NODE_PROVIDER_SEND);
    assert_int_equal(answer(403, "<ErrorResponse/>"), NODE_PROVIDER_FAILED);
    assert_int_equal(silence(HTTP_NO_NAME), NODE_PROVIDER_FAILED);
    unlink(path);
    assert_int_equal(begin(), NODE_PROVIDER_FAILED);
    says("web-token", "serviceAccountToken");
    const struct {
        const char *path, *arn, *says;
    } bad[] = {
        {"/token", NULL, "AWS_ROLE_ARN is not"},
        {"/token", "", "AWS_ROLE_ARN is not"},
        {"token", "arn:aws:iam::111122223333:role/agent", "not an absolute path"},
        {"/token", "arn:aws:iam::1111:role/agent", "AWS_ROLE_ARN=arn:aws:iam::1111:role/agent "},
        {"/token", "agent", "AWS_ROLE_ARN=agent "},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        set("AWS_WEB_IDENTITY_TOKEN_FILE", bad[i].path);
        set("AWS_ROLE_ARN", bad[i].arn);
        assert_int_equal(open_it(), REASON_SETTING_INVALID);
        says(bad[i].says, "set");
        assert_true(failure.permanent);
    }
}

/* ---- the shared credentials file ---- */

static struct node_file file;
static struct credentials got;

static void write_text(const char *path, const char *text) {
    write_file(path, text, strlen(text));
}

static void shared_file(void **state) {
    (void)state;
    const char *path = scratch_path("credentials");
    bool changed;
    memset(&file, 0, sizeof file);
    memset(&got, 0, sizeof got);
    set("AWS_SHARED_CREDENTIALS_FILE", path);
    assert_true(node_file_find(&file, lookup));
    strcpy(file.profile, "default");
    write_text(
        path, "[other]\naws_access_key_id=X\n[default]\naws_access_key_id = AKIA1\nAWS_Secret_Access_Key=s1\n"
              "aws_session_token = t1\n");
    assert_int_equal(node_file_read(&file, &got, &changed, &failure), REASON_OK);
    assert_true(changed && got.expires_ms == CLOCK_NEVER);
    assert_string_equal(got.access_key_id, "AKIA1");
    assert_string_equal(got.session_token, "t1");
    assert_int_equal(node_file_read(&file, &got, &changed, &failure), REASON_OK);
    assert_false(changed);
    /* replaced by a rename, as writers do, and written in place with the same length */
    write_text(scratch_path("next"), "[default]\naws_access_key_id=AKIA2\naws_secret_access_key=s2\n");
    assert_int_equal(rename(scratch_path("next"), path), 0);
    assert_int_equal(node_file_read(&file, &got, &changed, &failure), REASON_OK);
    assert_true(changed);
    assert_string_equal(got.access_key_id, "AKIA2");
    assert_string_equal(got.session_token, ""); /* the old one's token is not the new one's */
    const struct {
        const char *text, *says;
    } bad[] = {
        {"", "no such section"},
        {"[other]\naws_access_key_id=A\naws_secret_access_key=s\n", "no such section"},
        {"[default]\n", "no aws_access_key_id"},
        {"[default]\naws_access_key_id=\naws_secret_access_key=s\n", "no aws_access_key_id"},
        {"[default]\naws_access_key_id=A B\naws_secret_access_key=s\n", "no aws_access_key_id"},
        {"[default]\naws_access_key_id=A\n", "no aws_secret_access_key"},
        {"[default]\naws_access_key_id=A\naws_secret_access_key=s\naws_session_token=\n",
         "an aws_session_token"},
        {"\x7F"
         "ELF\x01\x02",
         "no such section"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        write_text(path, bad[i].text);
        assert_int_equal(node_file_read(&file, &got, &changed, &failure), REASON_SETTING_INVALID);
        says(bad[i].says, "[default]");
        assert_false(changed || failure.permanent);
        assert_string_equal(got.access_key_id, "AKIA2"); /* kept */
    }
    static char large[NODE_FILE_MAX + 1];
    memset(large, '#', sizeof large);
    write_file(path, large, NODE_FILE_MAX);
    assert_int_equal(node_file_read(&file, &got, &changed, &failure), REASON_SETTING_INVALID);
    says("more than 65535 bytes", "");
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0); /* does not hold us */
    assert_int_equal(node_file_read(&file, &got, &changed, &failure), REASON_SETTING_INVALID);
    says("is not a regular file", "");
    unlink(path);
    assert_int_equal(node_file_read(&file, &got, &changed, &failure), REASON_SETTING_INVALID);
    says("No such file", "");
    write_text(path, "[default]\naws_access_key_id=AKIA3\naws_secret_access_key=s3\n");
    assert_int_equal(node_file_read(&file, &got, &changed, &failure), REASON_OK);
    assert_true(changed);
    assert_string_equal(got.access_key_id, "AKIA3");
}

static void profiles(void **state) {
    (void)state;
    const char *path = scratch_path("profiles");
    write_text(path, "[default]\naws_access_key_id=AKIAD\naws_secret_access_key=d\n"
                     "[node]\naws_access_key_id=AKIAN\naws_secret_access_key=n\n");
    set("AWS_SHARED_CREDENTIALS_FILE", path);
    assert_int_equal(open_it(), REASON_OK);
    assert_int_equal(begin(), NODE_PROVIDER_DONE);
    assert_string_equal(p.credentials.access_key_id, "AKIAD");
    set("AWS_PROFILE", "node");
    assert_int_equal(open_it(), REASON_OK);
    assert_int_equal(begin(), NODE_PROVIDER_DONE);
    assert_string_equal(p.credentials.access_key_id, "AKIAN");
    settings.rotate_credentials = true; /* as the real agent: the default one, whatever AWS_PROFILE says */
    assert_int_equal(open_it(), REASON_OK);
    assert_int_equal(begin(), NODE_PROVIDER_DONE);
    assert_string_equal(p.credentials.access_key_id, "AKIAD");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(order, fresh),
        cmocka_unit_test_setup(environment, fresh),
        cmocka_unit_test_setup(region, fresh),
        cmocka_unit_test_setup(imds, fresh),
        cmocka_unit_test_setup(imds_that_does_not_help, fresh),
        cmocka_unit_test_setup(web_identity, fresh),
        cmocka_unit_test_setup(shared_file, fresh),
        cmocka_unit_test_setup(profiles, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
