/* The patch that takes a startup taint away: nothing of it is anybody else's. */
#include "tests/unit/unit.h"

#include "agent/taint_patch.h"

#define KEY "example.com/agent-not-ready"
#define TAINT(key, effect) "{\"key\":\"" key "\",\"effect\":\"" effect "\"}"
#define OURS(effect) TAINT(KEY, effect)
#define NODE(taints) "{\"kind\":\"Node\",\"metadata\":{\"name\":\"n\"},\"spec\":{\"taints\":[" taints "]}}"
#define REMOVE(i)                                                                                            \
    "{\"op\":\"test\",\"path\":\"/spec/taints/" i "/key\",\"value\":\"" KEY                                  \
    "\"},{\"op\":\"remove\",\"path\":\"/spec/taints/" i "\"}"

static const char *patch(const char *node, bool good) {
    static char text[TAINT_PATCH_MAX];
    struct buf out = BUF(text);
    buf_reset(&out);
    assert_int_equal(taint_patch(guarded(node, strlen(node)), strlen(node), KEY, &out), good);
    return text;
}

static void what_is_removed(void **state) {
    (void)state;
    static const struct {
        const char *node, *patch;
    } rows[] = {
        {NODE(OURS("NoSchedule")), "[" REMOVE("0") "]"},
        {NODE(TAINT("a", "NoSchedule") "," OURS("NoExecute")), "[" REMOVE("1") "]"},
        {NODE(OURS("NoSchedule") "," TAINT("a", "NoExecute") ", " OURS("NoExecute")),
         "[" REMOVE("2") "," REMOVE("0") "]"},
        {NODE("{\"effect\":\"NoSchedule\",\"value\":\"x\",\"key\":\"example.com\\/agent-not-ready\"}"),
         "[" REMOVE("0") "]"},
        {NODE(""), ""},
        {NODE(TAINT(KEY "x", "NoSchedule") "," TAINT("example.com", "NoSchedule")), ""},
        {NODE("7,{\"key\":7},{\"value\":\"" KEY "\"}"), ""},
        {"{\"spec\":{}}", ""},
        {"{\"spec\":{\"taints\":null}}", ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(patch(rows[i].node, true), rows[i].patch);
}

static void what_is_no_node(void **state) {
    (void)state;
    static const char *const rows[] = {"", "{}", "[]", "null", "{\"spec\":{\"taints\":[" OURS("NoSchedule")};
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(patch(rows[i], false), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_removed),
        cmocka_unit_test(what_is_no_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
