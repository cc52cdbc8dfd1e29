/* For whom credentials are, against whom they should be for. */
#include "tests/unit/unit.h"

#include "common/aws/identity_expect.h"

static struct sts_identity me;
static struct failure failure;

static int fresh(void **state) {
    (void)state;
    memset(&failure, 0, sizeof failure);
    memset(&me, 0, sizeof me);
    strcpy(me.account, "123456789012");
    strcpy(me.arn, "arn:aws:sts::123456789012:assumed-role/app/session-1");
    return 0;
}

static void roles(void **state) {
    (void)state;
    static const struct {
        const char *expected;
        bool is;
    } all[] = {{"app", true},
               {"ap", false},
               {"apps", false},
               {"session-1", false},
               {"team/app", true}, /* its path does not stand in the session's ARN */
               {"arn:aws:iam::123456789012:role/app", true},
               {"arn:aws:iam::123456789012:role/path/app", true},
               {"arn:aws:iam::123456789012:role/other", false},
               {"arn:aws:iam::123456789013:role/app", false},
               {"arn:aws-cn:iam::123456789012:role/app", false},
               {"arn:aw:iam::123456789012:role/app", false}};
    for (size_t i = 0; i < COUNT(all); i++) {
        if (identity_is_role(&me, all[i].expected) != all[i].is)
            fail_msg("%s", all[i].expected);
    }
    strcpy(me.arn, "arn:aws:iam::123456789012:user/app");
    assert_false(identity_is_role(&me, "app"));
}

static void identities(void **state) {
    (void)state;
    assert_int_equal(identity_expect(&me, "", "", &failure), REASON_OK);
    assert_int_equal(identity_expect(&me, "123456789012", "app", &failure), REASON_OK);
    assert_int_equal(identity_expect(&me, "", "app", &failure), REASON_OK);
    assert_int_equal(identity_expect(&me, "1", "", &failure), REASON_UNEXPECTED_IDENTITY);
    assert_int_equal(identity_expect(&me, "123456789013", "app", &failure), REASON_UNEXPECTED_IDENTITY);
    assert_int_equal(failure.reason, REASON_UNEXPECTED_IDENTITY);
    assert_true(failure.permanent);
    assert_string_equal(
        failure.message,
        "the credentials are for \"arn:aws:sts::123456789012:assumed-role/app/session-1\", and "
        "--expect-account says \"123456789013\"");
    assert_non_null(strstr(failure.remedy, "or --expect-account"));
    assert_int_equal(identity_expect(&me, "123456789012", "other", &failure), REASON_UNEXPECTED_IDENTITY);
    assert_non_null(strstr(failure.message, "--expect-role says \"other\""));
    assert_int_equal(identity_expect(&me, "", "o", &failure), REASON_UNEXPECTED_IDENTITY);
}

static void accounts(void **state) {
    (void)state;
    assert_int_equal(identity_expect_account("123456789012", "123456789012", &failure), REASON_OK);
    assert_int_equal(identity_expect_account("123456789013", "123456789012", &failure),
                     REASON_UNEXPECTED_IDENTITY);
    assert_string_equal(failure.message, "the credentials are for \"account 123456789013\", and "
                                         "--expect-account says \"123456789012\"");
    fresh(state);
    assert_int_equal(identity_expect_account("", "123456789012", &failure), REASON_UNEXPECTED_IDENTITY);
    assert_true(failure.permanent);
    assert_non_null(strstr(failure.message, "does not tell the account"));
    assert_non_null(strstr(failure.remedy, "--expect-role"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(roles, fresh),
        cmocka_unit_test_setup(identities, fresh),
        cmocka_unit_test_setup(accounts, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
