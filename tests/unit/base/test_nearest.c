/* What a mistyped word was meant to be. */
#include "tests/unit/unit.h"

#include "common/base/nearest.h"

static void is(const char *word, const char *candidate, int distance) {
    struct nearest n = {0};
    nearest_try(&n, word, strlen(word), candidate);
    if ((n.best != NULL) != (distance >= 0) || (distance >= 0 && n.distance != (unsigned)distance))
        fail_msg("%s %s: %u", word, candidate, n.distance);
}

static void distances(void **state) {
    (void)state;
    is("metrics", "metrics", 0);
    is("metrisc", "metrics", 1); /* two exchanged */
    is("metrcs", "metrics", 1);
    is("metriics", "metrics", 1);
    is("metxics", "metrics", 1);
    is("emtrisc", "metrics", 2);
    is("METRICS", "metrics", 0);
    is("file_mode", "file-mode", 0);
    is("other-thing", "metrics", -1);
}

static void the_nearest_is_kept(void **state) {
    (void)state;
    struct nearest n = {0};
    nearest_try(&n, "sockte", 6, "socks");
    nearest_try(&n, "sockte", 6, "socket");
    nearest_try(&n, "sockte", 6, "pocket");
    assert_string_equal(n.best, "socket");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(distances), cmocka_unit_test(the_nearest_is_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
