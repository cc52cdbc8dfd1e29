#include "tests/unit/unit.h"

#include <string.h>

#include "common/source/verdict.h"

#define PATIENCE_MS 15000
#define NAME 1
#define CONNECT 2
#define ANSWER 5
#define HOP 6 /* so much further is the next one */

static struct fetch_outcome answer(unsigned reached) {
    return (struct fetch_outcome){.reached = reached, .patience_ms = PATIENCE_MS};
}

static struct fetch_outcome silence(unsigned reached, int64_t silent_ms) {
    return (struct fetch_outcome){.reached = reached, .silent_ms = silent_ms, .patience_ms = PATIENCE_MS};
}

static bool takes(struct verdict *v, struct fetch_outcome outcome, int64_t now_ms) {
    return verdict_takes(v, &outcome, now_ms);
}

static const char *explained(const struct verdict *v) {
    static struct failure f;
    struct buf m = failure_begin(&f, REASON_ACCESS_DENIED);
    buf_str(&m, "denied");
    verdict_explain(v, &f);
    return f.message;
}

#define KEPT "denied; the last attempt was not answered before --wait ended"

static void an_answer_counts_whatever_was_before(void **state) {
    (void)state;
    struct verdict v = {0};
    for (unsigned reached = HOP; reached > 0; reached--)
        assert_true(takes(&v, answer(reached), 1000));
    assert_true(takes(&v, silence(HOP, 1000), 9000));
    assert_true(takes(&v, answer(NAME), 9001));
    assert_string_equal(explained(&v), "denied");
}

static void silence_that_was_cut_does_not_replace_an_answer(void **state) {
    (void)state;
    struct verdict v = {0};
    assert_true(takes(&v, answer(ANSWER), 100));
    assert_false(takes(&v, silence(ANSWER, 1000), 2000));
    assert_string_equal(explained(&v), KEPT);
    assert_false(takes(&v, silence(CONNECT, 1000), 3000)); /* nor one that came less far */
    assert_true(takes(&v, answer(ANSWER), 4000));
    assert_string_equal(explained(&v), "denied");
}

static void silence_of_the_sources_own_length_counts(void **state) {
    (void)state;
    struct verdict v = {0};
    assert_true(takes(&v, answer(ANSWER), 100));
    assert_true(takes(&v, silence(ANSWER, PATIENCE_MS), 16000));
    assert_string_equal(explained(&v), "denied");
    /* By a clock that differs a little. */
    v = (struct verdict){0};
    assert_true(takes(&v, answer(ANSWER), 100));
    assert_true(takes(&v, silence(ANSWER, PATIENCE_MS - 1), 16000));
}

/* Init's attempts to connect are short, as another follows: many of them together are believed. */
static void short_silences_add_up(void **state) {
    (void)state;
    struct verdict v = {0};
    assert_true(takes(&v, answer(ANSWER), 1000));
    int64_t now_ms = 2000;
    for (; now_ms < 2000 - 200 + PATIENCE_MS - 200; now_ms += 200)
        assert_false(takes(&v, silence(CONNECT, 200), now_ms));
    now_ms += 200;
    assert_true(takes(&v, silence(CONNECT, 200), now_ms));
    assert_true(takes(&v, silence(CONNECT, 200), now_ms + 200));
    /* An answer in between begins them anew. */
    v = (struct verdict){0};
    assert_true(takes(&v, answer(ANSWER), 1000));
    assert_false(takes(&v, silence(CONNECT, 200), 2000));
    assert_true(takes(&v, answer(ANSWER), 12000));
    assert_false(takes(&v, silence(CONNECT, 200), 2000 + PATIENCE_MS));
}

/* Then what was in the way before is gone: a refused connection, the first role of a chain. */
static void silence_further_on_counts(void **state) {
    (void)state;
    struct verdict v = {0};
    assert_true(takes(&v, answer(CONNECT), 100));
    assert_true(takes(&v, silence(ANSWER, 1000), 2000));
    assert_string_equal(explained(&v), "denied");
    v = (struct verdict){0};
    assert_true(takes(&v, answer(ANSWER), 100));
    assert_true(takes(&v, silence(HOP + NAME, 1000), 2000));
    v = (struct verdict){0};
    assert_true(takes(&v, answer(HOP + ANSWER), 100));
    assert_false(takes(&v, silence(ANSWER, 1000), 2000)); /* the second role was denied: the first is older */
    v = (struct verdict){0};
    assert_true(takes(&v, answer(0), 100)); /* the token could not be read, and now it can */
    assert_true(takes(&v, silence(NAME, 1000), 2000));
}

static void silence_after_silence_is_not_explained(void **state) {
    (void)state;
    struct verdict v = {0};
    assert_true(takes(&v, silence(ANSWER, 1000), 1000));
    assert_string_equal(explained(&v), "denied");
    (void)takes(&v, silence(CONNECT, 200), 2000);
    assert_string_equal(explained(&v), "denied");
}

/* The agent was silent for long; then STS, which has denied, is cut in its handshake. */
static void one_servers_silence_is_not_anothers(void **state) {
    (void)state;
    struct verdict v = {0};
    assert_true(takes(&v, answer(HOP + ANSWER), 100));
    assert_false(takes(&v, silence(ANSWER, PATIENCE_MS - 1000), PATIENCE_MS));
    assert_false(takes(&v, silence(HOP + CONNECT, 1000), PATIENCE_MS + 2000));
    assert_string_equal(explained(&v), KEPT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_counts_whatever_was_before),
        cmocka_unit_test(silence_that_was_cut_does_not_replace_an_answer),
        cmocka_unit_test(silence_of_the_sources_own_length_counts),
        cmocka_unit_test(short_silences_add_up),
        cmocka_unit_test(silence_further_on_counts),
        cmocka_unit_test(silence_after_silence_is_not_explained),
        cmocka_unit_test(one_servers_silence_is_not_anothers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
