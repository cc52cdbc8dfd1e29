/* Tokens, byte for byte those of the reference implementations (token_vectors.py), and what is refused. */
#include "tests/unit/unit.h"

#include "common/aws/aws_token.h"
#include "common/base/timefmt.h"

#define VECTORS "tests/unit/aws/token_vectors.txt"
#define VECTORS_MIN 36
#define AGENT "pod-identity-toolkit/0.1.0"
#define NOW "2026-11-26T06:30:05Z"
#define SESSION_TOKEN "IQoJb3JpZ2luX2VjE//////////wEaDGV1LWNlbnRyYWwtMSJHMEUCIQ+example/token=="

static struct aws_token_scratch scratch;
static struct credentials keys;
static int64_t now_s;

static const char *nothing(const char *name) {
    (void)name;
    return NULL;
}

static const char *region_alone(const char *name) {
    return strcmp(name, "AWS_REGION") == 0 ? "eu-west-3" : NULL;
}

static const char *own_sts(const char *name) {
    return strcmp(name, "AWS_ENDPOINT_URL_STS") == 0 ? "http://127.0.0.1:4566" : region_alone(name);
}

static const char *sts_with_path(const char *name) {
    return strcmp(name, "AWS_ENDPOINT_URL_STS") == 0 ? "https://sts.example.com/sts" : region_alone(name);
}

static int set_up(void **state) {
    (void)state;
    int64_t ms;
    assert_int_equal(time_parse_rfc3339(NOW, strlen(NOW), &ms), ERR_OK);
    now_s = ms / 1000;
    memset(&keys, 0, sizeof keys);
    strcpy(keys.access_key_id, "ASIAIOSFODNN7EXAMPLE");
    strcpy(keys.secret_access_key, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    strcpy(keys.session_token, SESSION_TOKEN SESSION_TOKEN SESSION_TOKEN);
    keys.expires_ms = ms + 3600000;
    return 0;
}

/* "a=b&c=d" as parameters; the test's own decoder. False with the problem. */
static bool set_all(struct aws_token *t, const char *query, struct buf *problem) {
    char text[1024];
    snprintf(text, sizeof text, "%s", query);
    for (char *part = strtok(text, "&"); part != NULL; part = strtok(NULL, "&")) {
        char *value = strchr(part, '='), *to = value + 1;
        *value = '\0';
        for (const char *at = value + 1; *at != '\0'; at++) {
            unsigned byte = (unsigned char)*at;
            if (*at == '%') {
                assert_int_equal(sscanf(at + 1, "%2x", &byte), 1);
                at += 2;
            }
            *to++ = (char)byte;
        }
        *to = '\0';
        if (!aws_token_set(t, part, value + 1, problem))
            return false;
    }
    return true;
}

static struct aws_token made(const char *kind, const char *query, injection_getenv *lookup) {
    struct aws_token t = {0};
    char text[AWS_TOKEN_PROBLEM_MAX];
    struct buf problem = BUF(text);
    assert_true(aws_token_find(kind, &t.kind));
    if (!set_all(&t, query, &problem) || !aws_token_complete(&t, lookup, &problem))
        fail_msg("%s?%s: %s", kind, query, text);
    return t;
}

static const char *signed_now(const struct aws_token *t) {
    static char text[AWS_TOKEN_MAX];
    struct buf out = BUF(text);
    assert_int_equal(aws_token_sign(t, &keys, now_s, AGENT, &scratch, &out), ERR_OK);
    assert_int_equal(out.len, strlen(text));
    assert_null(memmem(&scratch, sizeof scratch, "IQoJ", 4)); /* nothing of the keys is left */
    assert_null(memmem(&scratch, sizeof scratch, "wJal", 4));
    return text;
}

static void equal_to_the_references(void **state) {
    (void)state;
    FILE *file = fopen(VECTORS, "r");
    static char line[8192], kind[32], query[512], how[16], token[8192];
    int count = 0;
    assert_non_null(file);
    for (; fgets(line, sizeof line, file) != NULL; count++) {
        assert_int_equal(sscanf(line, "%31s %511s %15s %8191s", kind, query, how, token), 4);
        set_up(NULL);
        if (strcmp(how, "plain") == 0)
            keys.session_token[0] = '\0';
        struct aws_token t = made(kind, query, nothing);
        assert_string_equal(signed_now(&t), token);
    }
    fclose(file);
    assert_true(count >= VECTORS_MIN);
}

/* The environment's region; and its STS, which the token then names. */
static void environment_decides(void **state) {
    (void)state;
    struct aws_token t = made("rds", "host=db&port=5432&user=u", region_alone);
    assert_string_equal(t.region, "eu-west-3");
    assert_non_null(strstr(signed_now(&t), "%2Feu-west-3%2Frds-db%2F"));
    t = made("msk", "region=us-east-1", region_alone);
    assert_string_equal(t.region, "us-east-1");
    t = made("eks", "cluster=prod", own_sts);
    assert_string_equal(t.origin, "http://127.0.0.1:4566");
    t = made("eks", "cluster=prod", region_alone);
    assert_string_equal(t.origin, "https://sts.eu-west-3.amazonaws.com");
}

static void refused_by_name(void **state) {
    (void)state;
    static const struct {
        const char *kind, *query, *problem;
    } table[] = {
        {"rds", "", "host: rds needs it"},
        {"rds", "host=db", "port: rds needs it"},
        {"rds", "host=db&port=1", "user: rds needs it"},
        {"rds", "host=db&host=db", "host: given twice"},
        {"rds", "host=", "host: empty"},
        {"rds", "host=a/b", "host: only letters, digits, - and . are allowed"},
        {"rds", "host=a:1", "host: only letters, digits, - and . are allowed"},
        {"rds", "port=0", "port: not a number from 1 to 65535"},
        {"rds", "port=65536", "port: not a number from 1 to 65535"},
        {"rds", "port=5432x", "port: not a number from 1 to 65535"},
        {"rds", "port=", "port: not a number from 1 to 65535"},
        {"rds", "user=a%0Ab", "user: holds a control character (0x0a)"},
        {"rds", "cluster=x", "cluster: no parameter of rds, which takes host, port, user, region"},
        {"rds", "sekret=x", "sekret: no parameter of rds, which takes host, port, user, region"},
        {"rds", "region=eu_central", "region: is not a region name: lower-case letters, digits and -"},
        {"rds", "region=eu-central-1a", "region: is a zone, not a region: that has no letter at its end"},
        {"rds", "host=db&port=1&user=u",
         "region: neither AWS_REGION nor AWS_DEFAULT_REGION is set, and the endpoints of AWS are regional"},
        {"elasticache", "user=u", "cache: elasticache needs it"},
        {"elasticache", "serverless=maybe", "serverless: neither true nor false"},
        {"memorydb", "serverless=true",
         "serverless: no parameter of memorydb, which takes cache, user, region"},
        {"msk", "host=b-1", "host: no parameter of msk, which takes region"},
        {"eks", "region=eu-west-1", "cluster: eks needs it"},
        {"eks", "cluster=a.b", "cluster: only letters, digits, - and _ are allowed"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct aws_token t = {0};
        char text[AWS_TOKEN_PROBLEM_MAX];
        struct buf problem = BUF(text);
        assert_true(aws_token_find(table[i].kind, &t.kind));
        assert_false(set_all(&t, table[i].query, &problem) && aws_token_complete(&t, nothing, &problem));
        assert_string_equal(text, table[i].problem);
        assert_false(problem.overflow);
    }
    enum aws_token_kind kind;
    assert_false(aws_token_find("ssm", &kind));
    assert_false(aws_token_find("", &kind));
}

static void sts_with_a_path_is_refused(void **state) {
    (void)state;
    struct aws_token t = {.kind = AWS_TOKEN_EKS};
    char text[AWS_TOKEN_PROBLEM_MAX];
    struct buf problem = BUF(text);
    assert_true(set_all(&t, "cluster=prod", &problem));
    assert_false(aws_token_complete(&t, sts_with_path, &problem));
    assert_string_equal(text, "AWS_ENDPOINT_URL_STS: a URL with a path");
}

/* A token never outlives the credentials that signed it, and says so itself. */
static void never_beyond_the_credentials(void **state) {
    (void)state;
    struct aws_token rds = made("rds", "host=db&port=1&user=u&region=eu-west-1", nothing),
                     eks = made("eks", "cluster=c&region=eu-west-1", nothing);
    char text[AWS_TOKEN_MAX];
    struct buf out = BUF(text);
    assert_int_equal(aws_token_life_s(&rds, &keys, now_s), 900);
    assert_int_equal(aws_token_life_s(&eks, &keys, now_s), 840);
    keys.expires_ms = (now_s + 600) * 1000;
    assert_int_equal(aws_token_life_s(&rds, &keys, now_s), 600);
    assert_int_equal(aws_token_life_s(&eks, &keys, now_s), 600);
    assert_non_null(strstr(signed_now(&rds), "&X-Amz-Expires=600&"));
    keys.expires_ms = now_s * 1000;
    assert_int_equal(aws_token_sign(&rds, &keys, now_s, AGENT, &scratch, &out), ERR_RANGE);
    assert_int_equal(out.len, 0);
}

/* In every place that is too small, and with a session token that is too long for a URL. */
static void too_long_is_an_error(void **state) {
    (void)state;
    static const char *const kinds[][2] = {{"rds", "host=db&port=1&user=u&region=eu-west-1"},
                                           {"msk", "region=eu-west-1"},
                                           {"eks", "cluster=c&region=eu-west-1"}};
    static char text[AWS_TOKEN_MAX];
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct aws_token t = made(kinds[i][0], kinds[i][1], nothing);
        size_t len = strlen(signed_now(&t));
        for (size_t cap = 1; cap <= len + 1; cap += cap < len - 2 ? 97 : 1) {
            struct buf out = buf_over(text, cap > len + 1 ? len + 1 : cap);
            assert_int_equal(aws_token_sign(&t, &keys, now_s, AGENT, &scratch, &out),
                             cap == len + 1 ? ERR_OK : ERR_TOO_LONG);
        }
        memset(keys.session_token, '/', CREDENTIALS_TOKEN_MAX - 1);
        struct buf out = BUF(text);
        assert_int_equal(aws_token_sign(&t, &keys, now_s, AGENT, &scratch, &out), ERR_TOO_LONG);
        memset(&keys.session_token, 0, sizeof keys.session_token);
        set_up(NULL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(equal_to_the_references, set_up),
        cmocka_unit_test_setup(environment_decides, set_up),
        cmocka_unit_test_setup(refused_by_name, set_up),
        cmocka_unit_test_setup(sts_with_a_path_is_refused, set_up),
        cmocka_unit_test_setup(never_beyond_the_credentials, set_up),
        cmocka_unit_test_setup(too_long_is_an_error, set_up),
    };
    return cmocka_run_group_tests_name("aws_token", tests, NULL, NULL);
}
