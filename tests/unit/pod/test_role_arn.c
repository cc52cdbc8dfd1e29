#include "tests/unit/unit.h"

#include "common/pod/role_arn.h"

#define ROLE "arn:aws:iam::444455556666:role/"

static const struct {
    const char *arn, *aws, *any; /* what is wrong with it; NULL: nothing */
} table[] = {
    {ROLE "t", NULL, NULL},
    {ROLE "a/b/c-d_e+f=g,h.i@j", NULL, NULL},
    {"arn:aws-us-gov:iam::444455556666:role/t", NULL, NULL},
    {"arn:aws-cn:iam::444455556666:role/service-role/x", NULL, NULL},
    {"", "is not the ARN", "is not the ARN"},
    {"demo-app", "is not the ARN of a role", "is not the ARN of a role"},
    {"arn", "is not an ARN of AWS", "is not an ARN"},
    {"arn:", "is not an ARN of AWS", "no partition"},
    {"arn:aws", "a part is missing", "a part is missing"},
    {"arn:aws:iam:444455556666:role/t", "a part is missing", "a part is missing"},
    {"arn:aws:iam:444455556666::role/t", "iam and two colons", "iam and two colons"},
    {"arn:aws:s3:::bucket", "iam and two colons", "iam and two colons"},
    {"arn:aws:iam::44445555666:role/t", "11 digits", "11 digits"},
    {"arn:aws:iam::4444555566666:role/t", "13 digits", "13 digits"},
    {"arn:aws:iam::4444-5555-66:role/t", "12 digits", "12 digits"},
    {"arn:aws:iam:::role/t", "12 digits", "12 digits"},
    {"arn:aws:iam::${ACCOUNT}:role/t", "not expanded", "not expanded"},
    {"arn:aws:iam::444455556666:user/t", "is not the ARN of a role", "is not the ARN of a role"},
    {"arn:aws:iam::444455556666:role", "is not the ARN of a role", "is not the ARN of a role"},
    {"arn:aws:iam::444455556666:Role/t", "is not the ARN of a role", "is not the ARN of a role"},
    {ROLE, "no name", "no name"},
    {ROLE "a/", "no name", "no name"},
    {ROLE "a b", "a name has", "a name has"},
    {ROLE "a b/c", "a blank", "a blank"},
    {ROLE "t*", "a name has", "a name has"},
    {ROLE "t:x", "a name has", "a name has"},
    {ROLE "t ", "ends in a blank", "ends in a blank"},
    {ROLE "t\n", "ends in a line break", "ends in a line break"},
    {"\"" ROLE "t\"", "quotes", "quotes"},
    {ROLE "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "64 characters",
     "64 characters"},
    {"arn:aws:sts::444455556666:assumed-role/t/session", "of a session", "of a session"},
    {"arn:aws:sts::444455556666:role/t", "its service is iam", "its service is iam"},
    {"arn:minio:iam:::role/idmp-x", "AWS_ENDPOINT_URL_STS", NULL},
    {"arn:minio:iam:::role/x ", "ends in a blank", "ends in a blank"},
    {"arn:awsx:iam::1:role/x", "AWS_ENDPOINT_URL_STS", NULL},
};

static void table_of_arns(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        for (int any = 0; any < 2; any++) {
            char text[256];
            struct buf problem = BUF(text);
            const char *says = any ? table[i].any : table[i].aws;
            bool good = role_arn_check(table[i].arn, any ? ROLE_ARN_ANY : ROLE_ARN_AWS, &problem);
            if (good != (says == NULL) || (says != NULL && strstr(text, says) == NULL))
                fail_msg("%s (%d): %s", table[i].arn, any, text);
            assert_false(problem.overflow);
        }
    }
}

static void length(void **state) {
    (void)state;
    static char arn[ROLE_ARN_MAX + 2] = ROLE;
    char text[256];
    struct buf problem = BUF(text);
    memset(arn + sizeof ROLE - 1, 'p', ROLE_ARN_MAX - sizeof ROLE + 1);
    memcpy(arn + ROLE_ARN_MAX - 2, "/t", 2);
    assert_true(role_arn_check(arn, ROLE_ARN_AWS, &problem));
    arn[ROLE_ARN_MAX] = 't';
    assert_false(role_arn_check(arn, ROLE_ARN_AWS, &problem));
    assert_string_equal(text, "is longer than 2048 characters");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(table_of_arns), cmocka_unit_test(length)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
