#include "tests/unit/unit.h"

#include "common/pod/injection.h"

#define URI INJECTION_URI
#define FILE_ INJECTION_TOKEN_FILE
#define ROLE INJECTION_ROLE_ARN
#define WEB INJECTION_WEB_TOKEN_FILE

struct variable {
    const char *name, *value;
};

static const struct variable *environment;

static const char *lookup(const char *name) {
    for (const struct variable *v = environment; v->name != NULL; v++) {
        if (strcmp(v->name, name) == 0)
            return v->value;
    }
    return NULL;
}

#define GOOD_URI "http://169.254.170.23/v1/credentials"
#define GOOD_PATH "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"

static const struct {
    struct variable set[5];
    enum reason reason;
    bool pod_identity, web_identity;
    const char *says; /* NULL: nothing is said */
} table[] = {
    {{{URI, GOOD_URI}, {FILE_, GOOD_PATH}}, REASON_OK, true, false, NULL},
    {{{URI, "http://[fd00:ec2::23]/v1/credentials"}, {FILE_, "/t"}}, REASON_OK, true, false, NULL},
    {{{URI, "http://127.0.0.1:1234/x"}, {FILE_, "/t"}}, REASON_OK, true, false, NULL},
    {{{URI, "https://example.com/x"}, {FILE_, "/t"}}, REASON_OK, true, false, NULL},
    {{{URI, GOOD_URI}, {FILE_, "/t"}, {ROLE, "arn"}, {WEB, "/w"}}, REASON_OK, true, true, NULL},
    {{{NULL, NULL}}, REASON_NOT_INJECTED, false, false, URI},
    {{{URI, ""}, {FILE_, ""}}, REASON_NOT_INJECTED, false, false, URI},
    {{{ROLE, "arn"}, {WEB, "/w"}}, REASON_NOT_INJECTED, false, true, "IRSA"},
    {{{ROLE, "arn"}}, REASON_NOT_INJECTED, false, false, URI},
    {{{ROLE, "arn"}, {WEB, ""}}, REASON_NOT_INJECTED, false, false, URI},
    {{{URI, GOOD_URI}}, REASON_INJECTION_INVALID, false, false, FILE_},
    {{{URI, GOOD_URI}, {FILE_, ""}}, REASON_INJECTION_INVALID, false, false, FILE_},
    {{{FILE_, "/t"}}, REASON_INJECTION_INVALID, false, false, URI},
    {{{URI, ""}, {FILE_, "/t"}}, REASON_INJECTION_INVALID, false, false, URI},
    {{{URI, "nonsense"}, {FILE_, "/t"}}, REASON_INJECTION_INVALID, false, false, "nonsense"},
    {{{URI, "http://example.com/"}, {FILE_, "/t"}},
     REASON_INJECTION_INVALID,
     false,
     false,
     "http://example.com/"},
    {{{URI, "http://10.1.2.3/"}, {FILE_, "/t"}}, REASON_INJECTION_INVALID, false, false, "10.1.2.3"},
    {{{URI, "http://169.254.170.23.example.com/"}, {FILE_, "/t"}},
     REASON_INJECTION_INVALID,
     false,
     false,
     "example.com"},
    {{{URI, "http://127.0.0.1:99999/"}, {FILE_, "/t"}}, REASON_INJECTION_INVALID, false, false, "port"},
    {{{URI, "http://127.0.0.1/ x"}, {FILE_, "/t"}}, REASON_INJECTION_INVALID, false, false, "blank"},
    {{{URI, "http:///x"}, {FILE_, "/t"}}, REASON_INJECTION_INVALID, false, false, "host"},
    {{{URI, GOOD_URI}, {FILE_, "relative/token"}}, REASON_INJECTION_INVALID, false, false, "relative/token"},
    {{{URI, GOOD_URI "\n"}, {FILE_, "/t"}}, REASON_INJECTION_INVALID, false, false, URI},
};

static void table_of_environments(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        static struct injection injection;
        struct failure failure;
        memset(&failure, 0, sizeof failure);
        environment = table[i].set;
        enum reason reason = injection_read(lookup, &injection, &failure);
        if (reason != table[i].reason)
            fail_msg("row %zu gave %d: %s", i, (int)reason, failure.message);
        assert_int_equal(injection.pod_identity, table[i].pod_identity);
        assert_int_equal(injection.web_identity, table[i].web_identity);
        if (reason == REASON_OK) {
            assert_string_equal(injection.uri.text, lookup(URI));
            assert_string_equal(injection.token_path, lookup(FILE_));
            continue;
        }
        assert_int_equal(failure.reason, reason);
        assert_true(failure.permanent); /* waiting changes no environment */
        assert_true(failure.remedy[0] != '\0');
        assert_null(strpbrk(failure.message, "\r\n"));
        if (strstr(failure.message, table[i].says) == NULL)
            fail_msg("row %zu: \"%s\" is not in: %s", i, table[i].says, failure.message);
    }
}

static void a_password_in_a_uri_is_not_shown(void **state) {
    (void)state;
    static const struct variable set[] = {
        {URI, "http://user:hunter2@127.0.0.1/"}, {FILE_, "/t"}, {NULL, NULL}};
    static struct injection injection;
    struct failure failure;
    environment = set;
    assert_int_equal(injection_read(lookup, &injection, &failure), REASON_INJECTION_INVALID);
    assert_null(strstr(failure.message, "hunter2"));
    assert_null(strstr(failure.remedy, "hunter2"));
}

static void long_values_are_errors_with_bounded_messages(void **state) {
    (void)state;
    static char path[INJECTION_PATH_MAX + 1], uri[URI_TEXT_MAX + 2];
    struct variable set[] = {{URI, GOOD_URI}, {FILE_, path}, {NULL, NULL}};
    static struct injection injection;
    struct failure failure;
    environment = set;
    memset(path, '/', INJECTION_PATH_MAX);
    assert_int_equal(injection_read(lookup, &injection, &failure), REASON_INJECTION_INVALID);
    assert_non_null(strstr(failure.message, "longer than 4095"));
    path[INJECTION_PATH_MAX - 1] = '\0';
    assert_int_equal(injection_read(lookup, &injection, &failure), REASON_OK);
    memset(uri, 'u', sizeof uri - 1);
    set[0].value = uri;
    assert_int_equal(injection_read(lookup, &injection, &failure), REASON_INJECTION_INVALID);
    assert_non_null(strstr(failure.message, "2048"));
    assert_true(strlen(failure.message) < 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_of_environments),
        cmocka_unit_test(a_password_in_a_uri_is_not_shown),
        cmocka_unit_test(long_values_are_errors_with_bounded_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
