/* The look-alike of the instance metadata service: tokens, and what they open. */
#include "tests/unit/unit.h"

#include "common/serve/loop.h"
#include "common/text/json.h"
#include "sidecar/imds.h"
#include "sidecar/routes.h"
#include "tests/unit/sidecar/answer_checks.h"

static const struct routes imds_routes = {.kind = LISTENER_IMDS, .host = "[::1]", .host_port = "[::1]:80"};

#define TOKEN_PATH "/latest/api/token"
#define ROLES_PATH "/latest/meta-data/iam/security-credentials"

static const struct answer *ask_imds(enum request_method method, const char *path, const char *token,
                                     const char *ttl_s) {
    struct request r = request_for(method, path, "[::1]:80", "");
    strcpy(r.extras[IMDS_TOKEN].value, token);
    strcpy(r.extras[IMDS_TTL].value, ttl_s);
    return routes_pick(&imds_routes, &r);
}

static void get_token(const char *ttl_s, char out[REQUEST_EXTRA_MAX]) {
    char header[80];
    const struct answer *a = ask_imds(REQUEST_PUT, TOKEN_PATH, "", ttl_s);
    assert_int_equal(status_of(a), 200);
    check_answer(a);
    snprintf(header, sizeof header, "\r\nX-aws-ec2-metadata-token-ttl-seconds: %s\r\n", ttl_s);
    assert_non_null(strstr(a->keep, header));
    assert_non_null(strstr(a->close, header));
    assert_true(a->body_len < REQUEST_EXTRA_MAX);
    memcpy(out, a->body, a->body_len);
    out[a->body_len] = '\0';
}

static void a_token_is_given_to_put_with_a_ttl(void **state) {
    (void)state;
    static const char *const refused[] = {"", "0", "-1", "1.5", "21601", "999999999", "4294967297", "60 60"};
    char token[REQUEST_EXTRA_MAX];
    get_token("1", token);
    get_token("21600", token);
    for (size_t i = 0; i < COUNT(refused); i++)
        assert_int_equal(status_of(ask_imds(REQUEST_PUT, TOKEN_PATH, "", refused[i])), 400);
    assert_int_equal(status_of(ask_imds(REQUEST_GET, TOKEN_PATH, token, "60")), 405);
    assert_non_null(strstr(ask_imds(REQUEST_GET, TOKEN_PATH, token, "60")->keep, "\r\nAllow: PUT\r\n"));
    struct request r = request_for(REQUEST_PUT, TOKEN_PATH, "[::1]", "");
    strcpy(r.extras[IMDS_TTL].value, "60");
    assert_int_equal(status_of(routes_pick(&imds_routes, &r)), 200);
    r.extras[IMDS_FORWARDED].present = true;
    assert_int_equal(status_of(routes_pick(&imds_routes, &r)), 403);
    r = request_for(REQUEST_PUT, TOKEN_PATH, "evil.example", "");
    strcpy(r.extras[IMDS_TTL].value, "60");
    assert_int_equal(status_of(routes_pick(&imds_routes, &r)), 403);
}

static void the_role_wants_a_token(void **state) {
    (void)state;
    static const struct credentials c = {.access_key_id = "ASIAEXAMPLEKEYID1234",
                                         .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                         .session_token = "IQoJ==",
                                         .expires_ms = INT64_C(1795435200000)};
    static const struct failure none;
    static const struct {
        const char *path;
        int status;
    } table[] = {
        {ROLES_PATH, 200},
        {ROLES_PATH "/", 200},
        {ROLES_PATH "/" IMDS_ROLE, 200},
        {"/" ROLES_PATH "/", 200},
        {"/" ROLES_PATH "/" IMDS_ROLE, 200},
        {"//" ROLES_PATH "/", 404},
        {ROLES_PATH "/" IMDS_ROLE "/", 404},
        {ROLES_PATH "/other", 404},
        {ROLES_PATH "-extended/", 404},
        {ROLES_PATH "x", 404},
        {"/latest/meta-data/placement/region", 404},
        {"/latest/dynamic/instance-identity/document", 404},
        {"/", 404},
    };
    char token[REQUEST_EXTRA_MAX];
    get_token("60", token);
    assert_int_equal(status_of(ask_imds(REQUEST_GET, ROLES_PATH "/" IMDS_ROLE, token, "")), 503);
    assert_int_equal(status_of(ask_imds(REQUEST_GET, ROLES_PATH "/", token, "")), 404);
    assert_int_equal(status_of(ask_imds(REQUEST_GET, ROLES_PATH, token, "")), 404);
    assert_int_equal(status_of(ask_imds(REQUEST_GET, ROLES_PATH, "", "")), 401);
    answers_publish(0, &c, 1795431600, &nobody, &none, NULL);
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_int_equal(status_of(ask_imds(REQUEST_GET, table[i].path, token, "")), table[i].status);
        assert_int_equal(status_of(ask_imds(REQUEST_HEAD, table[i].path, token, "")), table[i].status);
        assert_int_equal(status_of(ask_imds(REQUEST_PUT, table[i].path, token, "")), 405);
        assert_int_equal(status_of(ask_imds(REQUEST_GET, table[i].path, "", "")), 401);
    }
    const struct answer *a = ask_imds(REQUEST_GET, ROLES_PATH "/", token, "");
    assert_int_equal(a->body_len, strlen(IMDS_ROLE));
    assert_memory_equal(a->body, IMDS_ROLE, a->body_len);
    a = ask_imds(REQUEST_GET, ROLES_PATH "/" IMDS_ROLE, token, "");
    check_answer(a);
    const struct json *root;
    assert_int_equal(json_open(a->body, a->body_len, &root), ERR_OK);
    assert_string_equal(json_text(json_get(root, "Code")), "Success");
    assert_string_equal(json_text(json_get(root, "Type")), "AWS-HMAC");
    assert_string_equal(json_text(json_get(root, "AccessKeyId")), c.access_key_id);
    assert_string_equal(json_text(json_get(root, "SecretAccessKey")), c.secret_access_key);
    assert_string_equal(json_text(json_get(root, "Token")), c.session_token);
    assert_string_equal(json_text(json_get(root, "Expiration")), "2026-11-23T12:00:00Z");
    assert_non_null(json_text(json_get(root, "LastUpdated")));
    json_close();
}

/* Any character changed, cut or added; and a token that says itself that it ends later. */
static void no_other_token_will_do(void **state) {
    (void)state;
    char token[REQUEST_EXTRA_MAX], other[REQUEST_EXTRA_MAX];
    get_token("60", token);
    size_t len = strlen(token);
    for (size_t i = 0; i < len; i++) {
        strcpy(other, token);
        other[i] = other[i] == 'A' ? 'Q' : 'A';
        assert_int_equal(status_of(ask_imds(REQUEST_GET, ROLES_PATH, other, "")), 401);
        strcpy(other, token);
        other[i] = '\0';
        assert_int_equal(status_of(ask_imds(REQUEST_GET, ROLES_PATH, other, "")), 401);
    }
    assert_true(len + 2 <= sizeof other);
    strcpy(other, token);
    strcpy(other + len, "A");
    assert_int_equal(status_of(ask_imds(REQUEST_GET, ROLES_PATH, other, "")), 401);
    assert_int_equal(status_of(ask_imds(REQUEST_GET, ROLES_PATH, token, "")),
                     404);    /* taken; there are no credentials */
    assert_true(imds_open()); /* another process: another key */
    assert_int_equal(status_of(ask_imds(REQUEST_GET, ROLES_PATH, token, "")), 401);
}

static struct moment at = {.mono_ms = 1000000, .wall_ms = INT64_C(1795435200000)};
static struct moment made_up_clock(void) {
    return at;
}

static void a_token_ends(void **state) {
    (void)state;
    char token[REQUEST_EXTRA_MAX];
    clock_use(made_up_clock);
    assert_true(loop_open()); /* reads the clock */
    get_token("60", token);
    at.mono_ms += 59999;
    assert_true(loop_open());
    assert_int_equal(status_of(ask_imds(REQUEST_GET, ROLES_PATH, token, "")),
                     404); /* taken; there are no credentials */
    at.mono_ms += 1;
    assert_true(loop_open());
    assert_int_equal(status_of(ask_imds(REQUEST_GET, ROLES_PATH, token, "")), 401);
    clock_use(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_token_is_given_to_put_with_a_ttl, open_answers),
        cmocka_unit_test_setup(the_role_wants_a_token, open_answers),
        cmocka_unit_test_setup(no_other_token_will_do, open_answers),
        cmocka_unit_test_setup(a_token_ends, open_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
