/* What the build packed is what the sources say: the texts of explain, and those of the sidecar's --help. */
#include "tests/unit/unit.h"

#include <explain_packed.h>
#include <help_packed.h>

#include "common/base/options_help.h"
#include "common/base/packed.h"
#include "common/pod/explain.h"
#include "common/pod/explain_texts.h"
#include "sidecar/config.h"
#include "sidecar/config_table.h"

#define EXPLANATION(reason, text) text,
static const char *const explanations[] = {EXPLANATIONS};
#undef EXPLANATION

/* The same rows, with their texts. */
#undef OPTION_HELP_OF
#define OPTION_HELP_OF(help) help
#undef OPTION_OF
#undef OPTION
#define OPTION_OF(type, member, kind, name, value_name, default_text, help, take, repeatable) help
#define OPTION(name, value_name, default_text, help, take, repeatable) help
#undef OPTION_OLD
#undef OPTION_GROUP
#define OPTION_OLD(type, member, kind, name, value_name, take) ""
#define OPTION_GROUP(title) ""
#undef COMMAND
#define COMMAND(name, about, takes) about
static const char *const help[] = {CONFIG_TEXTS};

static char unpacked[32768];

/* The packed bytes end before a page that may not be touched. */
static void unpacks(const unsigned char *packed, size_t packed_size, size_t len, const char *const *texts,
                    size_t count) {
    assert_in_range(len, 1, sizeof unpacked);
    memset(unpacked, 'x', sizeof unpacked);
    packed_read((const unsigned char *)guarded(packed, packed_size), unpacked, len);
    const char *at = unpacked;
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(at, texts[i]);
        at += strlen(at) + 1;
    }
    assert_ptr_equal(at, unpacked + len);
    assert_true(at == unpacked + sizeof unpacked || *at == 'x');
}

static void texts_are_what_was_packed(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) { /* the second time as the first */
        unpacks(EXPLAIN_PACKED, sizeof EXPLAIN_PACKED, EXPLAIN_LEN, explanations, COUNT(explanations));
        unpacks(HELP_PACKED, sizeof HELP_PACKED, HELP_LEN, help, COUNT(help));
    }
}

/* It is worth it: the limit of the programs' size depends on it. */
static void packed_is_small(void **state) {
    (void)state;
    assert_in_range(sizeof EXPLAIN_PACKED, 1, EXPLAIN_LEN * 40 / 100);
    assert_in_range(sizeof HELP_PACKED, 1, HELP_LEN * 48 / 100);
}

static void each_text_is_at_its_option(void **state) {
    (void)state;
    static char text[OPTIONS_HELP_MAX];
    struct buf out = BUF(text);
    char *argv[] = {"pod-identity-sidecar", NULL};
    config_help(1, argv, &out);
    assert_false(out.overflow);
    assert_non_null(strstr(text, "  --notify-signal=NAME      the signal: HUP, USR1"));
    assert_non_null(strstr(text, "  --source=SOURCE           auto (what was injected"));
    assert_non_null(strstr(text, "  version           The same as --version.\n"));
    assert_null(strchr(text, '\1'));
    assert_null(strstr(text, "--profile="));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_what_was_packed),
        cmocka_unit_test(packed_is_small),
        cmocka_unit_test(each_text_is_at_its_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
