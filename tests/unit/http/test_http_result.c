#include "tests/unit/unit.h"

#include <string.h>

#include "common/http/http_result.h"

/* The words for programs say what a result is about. */
static void stages_fit_to_the_causes(void **state) {
    (void)state;
    for (int i = HTTP_ANSWERED + 1; i < HTTP_RESULTS; i++) {
        const char *cause = http_result_cause((enum http_result)i);
        enum http_stage stage = http_result_stage((enum http_result)i);
        bool name = strncmp(cause, "dns-", 4) == 0 || strcmp(cause, "no-name") == 0;
        assert_int_equal(stage == HTTP_STAGE_NAME, name);
        assert_int_equal(stage == HTTP_STAGE_PROXY, strncmp(cause, "proxy", 5) == 0);
        assert_int_equal(stage == HTTP_STAGE_TLS, strncmp(cause, "tls", 3) == 0);
    }
    static const enum http_result connecting[] = {HTTP_REFUSED, HTTP_CONNECT_TIMEOUT, HTTP_NO_ROUTE,
                                                  HTTP_PROHIBITED, HTTP_NO_FAMILY},
                                  behind[] = {HTTP_ANSWERED,  HTTP_ANSWER_TIMEOUT, HTTP_NO_ANSWER,
                                              HTTP_CUT_SHORT, HTTP_NOT_HTTP,       HTTP_TOO_LARGE};
    for (size_t i = 0; i < COUNT(connecting); i++)
        assert_int_equal(http_result_stage(connecting[i]), HTTP_STAGE_CONNECT);
    for (size_t i = 0; i < COUNT(behind); i++)
        assert_int_equal(http_result_stage(behind[i]), HTTP_STAGE_ANSWER);
}

static void silent_are_those_that_took_too_long(void **state) {
    (void)state;
    assert_false(http_result_silent(HTTP_ANSWERED));
    for (int i = HTTP_ANSWERED + 1; i < HTTP_RESULTS; i++) {
        const char *cause = http_result_cause((enum http_result)i);
        bool silent = strstr(cause, "timeout") != NULL || strcmp(cause, "dns-silent") == 0;
        assert_int_equal(http_result_silent((enum http_result)i), silent);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_fit_to_the_causes),
        cmocka_unit_test(silent_are_those_that_took_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
