#include "tests/unit/unit.h"

#include "agent/webhook/admission.h"
#include "agent/webhook/json_check.h"

static const char review_text[] =
    "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/"
    "v1\",\"request\":{\"uid\":\"u-1\",\"kind\":{\"group\":"
    "\"\",\"version\":\"v1\",\"kind\":\"Pod\"},\"namespace\":\"ns\",\"operation\":\"CREATE\",\"object\":{"
    "\"metadata\":{"
    "\"name\":\"p\",\"labels\":{\"pod-identity-toolkit/"
    "inject\":\"enabled\"}},\"spec\":{\"serviceAccountName\":\"sa\","
    "\"containers\":[{\"name\":\"app\",\"env\":[{\"name\":\"A\"}]}]}},\"dryRun\":true}}";
static const char template_text[] =
    "{\"init\":{\"name\":\"pod-identity-init\",\"image\":\"i\"},\"volumes\":[],\"app\":{\"env\":[{\"name\":"
    "\"AWS_CONTAINER_CREDENTIALS_FULL_URI\",\"value\":\"http://127.0.0.1:9911/v1/credentials\"}]}}";

static const struct identity identity = {"aud", "http://169.254.170.23/v1/credentials", "",
                                         IDENTITY_EXPIRATION_S};
static char patch_text[ADMISSION_PATCH_MAX + 1], answer_text[ADMISSION_ANSWER_MAX],
    problem_text[ADMISSION_PROBLEM_MAX];
static struct buf patch, answer, problem;
static struct admission_outcome outcome;
static struct template template;
static unsigned asked;
static char asked_namespace[POD_NAMESPACE_MAX];

static enum admission_association associated(const char *namespace, const char *service_account) {
    asked++;
    memcpy(asked_namespace, namespace, strlen(namespace) + 1);
    return strcmp(service_account, "sa") == 0 ? ADMISSION_USABLE : ADMISSION_NONE;
}

static struct admission_rules both(void) {
    template.len = sizeof template_text - 1;
    memcpy(template.text, template_text, template.len);
    problem = BUF(problem_text);
    if (!template_read(&template, &problem))
        fail_msg("%s", problem_text);
    return (struct admission_rules){.identity = &identity, .associated = associated, .template = &template};
}

static enum admission_kind review(const struct admission_rules *rules, const char *text, size_t len,
                                  uint64_t random) {
    const struct admission_call call = {.random = random};
    patch = BUF(patch_text);
    answer = BUF(answer_text);
    problem = BUF(problem_text);
    return admission_review(rules, &call, guarded(text, len), len, &patch, &answer, &outcome, &problem);
}

static void a_review(void **state) {
    (void)state;
    struct admission_rules rules = both();
    struct json_flaw flaw;
    asked = 0;
    assert_int_equal(review(&rules, review_text, sizeof review_text - 1, 0), ADMISSION_ANSWERED);
    assert_true(outcome.identity && outcome.toolkit && outcome.allowed && outcome.dry_run &&
                !outcome.problem);
    assert_string_equal(outcome.namespace, "ns");
    assert_string_equal(outcome.name, "p");
    assert_int_equal(asked, 1);
    assert_string_equal(asked_namespace, "ns");
    assert_true(json_check(answer.data, answer.len, &flaw) && json_check(patch.data, patch.len, &flaw));
    static const char begin[] = "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/"
                                "v1\",\"response\":{\"uid\":\"u-1\",\"allowed\":true,"
                                "\"patchType\":\"JSONPatch\",\"patch\":\"W3sib3AiOiJhZGQiLC";
    assert_memory_equal(answer.data, begin, sizeof begin - 1);
    rules.template = NULL;
    rules.identity = NULL;
    assert_int_equal(review(&rules, review_text, sizeof review_text - 1, 0), ADMISSION_ANSWERED);
    assert_int_equal(patch.len, 0);
    assert_string_equal(answer.data,
                        "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"response\":{"
                        "\"uid\":\"u-1\",\"allowed\":true}}");
    assert_int_equal(asked, 1);
}

/* Whatever is missing at its end. */
static void every_beginning(void **state) {
    (void)state;
    const struct admission_rules rules = both();
    for (size_t len = 0; len + 1 < sizeof review_text; len++) {
        if (review(&rules, review_text, len, 0) != ADMISSION_MALFORMED)
            fail_msg("%zu bytes were taken", len);
        assert_int_equal(answer.len, 0);
        assert_true(problem.len > 0 && !problem.overflow);
    }
}

/* One byte that is another: no matter which, the answer is JSON, or there is none. */
static void every_byte(void **state) {
    (void)state;
    static const char others[] = "\"\\{}[],:0tn \n\x80\xff";
    const struct admission_rules rules = both();
    struct json_flaw flaw;
    char text[sizeof review_text];
    for (size_t at = 0; at + 1 < sizeof review_text; at++) {
        for (size_t i = 0; i < sizeof others - 1; i++) {
            memcpy(text, review_text, sizeof text);
            text[at] = others[i];
            if (review(&rules, text, sizeof text - 1, 0) == ADMISSION_ANSWERED &&
                !json_check(answer.data, answer.len, &flaw))
                fail_msg("byte %zu is %c: %s", at, others[i], answer.data);
        }
    }
}

static void expiration(uint64_t random, const char *wanted) {
    struct admission_rules rules = both();
    rules.template = NULL;
    assert_int_equal(review(&rules, review_text, sizeof review_text - 1, random), ADMISSION_ANSWERED);
    if (strstr(patch.data, wanted) == NULL)
        fail_msg("%s is not in %s", wanted, patch.data);
}

/* Both ends are drawn, as in the EKS webhook. */
static void jitter(void **state) {
    (void)state;
    expiration(0, "\"expirationSeconds\":79200,");
    expiration(7200, "\"expirationSeconds\":86400,");
    expiration(7201, "\"expirationSeconds\":79200,");
    expiration(UINT64_MAX, "\"expirationSeconds\":");
}

static enum admission_kind large(const struct admission_rules *rules, size_t len) {
    answer = BUF(answer_text);
    problem = BUF(problem_text);
    return admission_large(rules, guarded(review_text, len), len, 1000, &answer, &outcome, &problem);
}

/* As soon as the uid is there whole. */
static void every_beginning_of_a_large_one(void **state) {
    (void)state;
    struct admission_rules rules = both();
    size_t needed = (size_t)(strstr(review_text, "\"u-1\"") - review_text) + 5;
    for (size_t len = 0; len < 200; len++) {
        enum admission_kind kind = large(&rules, len);
        assert_int_equal(kind, len >= needed ? ADMISSION_ANSWERED : ADMISSION_MALFORMED);
        assert_true(kind == ADMISSION_MALFORMED ||
                    (outcome.allowed && outcome.problem && outcome.warnings == 1));
    }
    rules.refuse_large = true;
    assert_int_equal(large(&rules, 200), ADMISSION_ANSWERED);
    assert_false(outcome.allowed);
    assert_non_null(strstr(answer.data, "\"uid\":\"u-1\",\"allowed\":false"));
    assert_non_null(strstr(answer.data, "its review has more than 1000 bytes"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_review), cmocka_unit_test(every_beginning),
                                       cmocka_unit_test(every_byte), cmocka_unit_test(jitter),
                                       cmocka_unit_test(every_beginning_of_a_large_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
