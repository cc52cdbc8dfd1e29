#include "tests/unit/unit.h"

#include "common/base/options_help.h"
#include "common/base/version.h"

static struct config {
    int64_t wait_ms;
    bool strict;
    char path[16];
    size_t format;
    size_t words;
    char last_word[64];
} config;

static bool take_wait(void *c, const char *value, struct buf *problem) {
    return option_duration(value, &((struct config *)c)->wait_ms, problem);
}

static bool take_strict(void *c, const char *value, struct buf *problem) {
    return option_flag(value, &((struct config *)c)->strict, problem);
}

static bool take_path(void *c, const char *value, struct buf *problem) {
    return option_text(value, ((struct config *)c)->path, sizeof config.path, problem);
}

static bool take_format(void *c, const char *value, struct buf *problem) {
    static const char *const names[] = {"text", "json", NULL};
    return option_choice(value, names, &((struct config *)c)->format, problem);
}

static bool take_word(void *c, const char *value, struct buf *problem) {
    ((struct config *)c)->words++;
    return option_text(value, ((struct config *)c)->last_word, sizeof config.last_word, problem);
}

static const struct option_spec specs[] = {
    OPTION("wait", "DURATION", "60s", "how long to wait", take_wait, false),
    OPTION("strict", "", "", "warnings fail", take_strict, false),
    OPTION("credentials-file", "PATH", "", "where to write", take_path, false),
    OPTION("format", "text|json", "text", "of the report", take_format, false),
    OPTION("uid", "UID", "", "who may connect", take_word, true),
    {.name = NULL},
};

static const struct options options = {.program = "pod-identity-test",
                                       .synopsis = "[OPTION...] [COMMAND]",
                                       .about = "About.",
                                       .epilogue = "The end.\n",
                                       .specs = specs};

static char problem_text[OPTIONS_PROBLEM_MAX];
static const char *operands[2];
static size_t operand_count;

/* words: NULL-terminated, without the program's name. */
static enum options_result read_words(const char *const *words) {
    static char *argv[16];
    int argc = 1;
    struct buf problem = BUF(problem_text);
    argv[0] = (char *)"program";
    for (; words[argc - 1] != NULL; argc++)
        argv[argc] = (char *)words[argc - 1];
    argv[argc] = NULL;
    memset(&config, 0, sizeof config);
    return options_read(&options, argc, argv, &config, operands, COUNT(operands), &operand_count, &problem);
}

#define READ(...) read_words((const char *const[]){__VA_ARGS__, NULL})

static int clear_environment(void **state) {
    (void)state;
    unsetenv("POD_IDENTITY_WAIT");
    unsetenv("POD_IDENTITY_STRICT");
    unsetenv("POD_IDENTITY_CREDENTIALS_FILE");
    unsetenv("POD_IDENTITY_UID");
    return 0;
}

static void says(const char *text) {
    if (strstr(problem_text, text) == NULL)
        fail_msg("\"%s\" is not in: %s", text, problem_text);
    assert_null(strpbrk(problem_text, "\r\n"));
}

static void both_spellings(void **state) {
    (void)state;
    assert_int_equal(READ("--wait", "5s", "--credentials-file=/a", "serve", "--strict", "--", "--wait"),
                     OPTIONS_OK);
    assert_int_equal(config.wait_ms, 5000);
    assert_string_equal(config.path, "/a");
    assert_true(config.strict);
    assert_int_equal(operand_count, 2);
    assert_string_equal(operands[0], "serve");
    assert_string_equal(operands[1], "--wait");
    assert_int_equal(READ("--strict=false", "--wait=0", "--wait=2m", "--format", "json"), OPTIONS_OK);
    assert_false(config.strict);
    assert_int_equal(config.wait_ms, 120000);
    assert_int_equal(config.format, 1);
    assert_int_equal(READ("--uid=1", "--uid=2", "--uid", "3"), OPTIONS_OK);
    assert_int_equal(config.words, 3);
}

static void the_option_wins_over_the_environment(void **state) {
    (void)state;
    setenv("POD_IDENTITY_WAIT", "7s", 1);
    setenv("POD_IDENTITY_STRICT", "on", 1);
    setenv("POD_IDENTITY_CREDENTIALS_FILE", "/env", 1);
    setenv("POD_IDENTITY_UID", "  10  20 30 ", 1);
    assert_int_equal(READ("--credentials-file=/arg"), OPTIONS_OK);
    assert_int_equal(config.wait_ms, 7000);
    assert_true(config.strict);
    assert_string_equal(config.path, "/arg");
    assert_int_equal(config.words, 3);
    assert_string_equal(config.last_word, "30");
    assert_int_equal(READ("--uid=1", "--wait=1s"), OPTIONS_OK);
    assert_int_equal(config.words, 1); /* the option replaces all of them */
    setenv("POD_IDENTITY_WAIT", "nonsense", 1);
    assert_int_equal(READ("--wait=1s"), OPTIONS_OK); /* not looked at */
    assert_int_equal(READ("serve"), OPTIONS_USAGE);
    says("POD_IDENTITY_WAIT=nonsense: ");
    setenv("POD_IDENTITY_WAIT", "", 1);
    assert_int_equal(READ("serve"), OPTIONS_OK); /* empty is not set */
}

static void usage_errors_name_option_value_and_reason(void **state) {
    (void)state;
    assert_int_equal(READ("--wiat=1s"), OPTIONS_USAGE);
    says("--wiat");
    assert_int_equal(READ("--wai=1s"), OPTIONS_USAGE); /* no abbreviations */
    assert_int_equal(READ("--wait=soon"), OPTIONS_USAGE);
    says("--wait=soon: ");
    assert_int_equal(READ("--wait=5"), OPTIONS_USAGE);
    says("unit");
    assert_int_equal(READ("--wait=10001h"), OPTIONS_USAGE);
    says("10000h");
    assert_int_equal(READ("--wait="), OPTIONS_USAGE);
    assert_int_equal(READ("--wait"), OPTIONS_USAGE);
    says("needs a value");
    assert_int_equal(READ("--strict=maybe"), OPTIONS_USAGE);
    assert_int_equal(READ("--format=yaml"), OPTIONS_USAGE);
    says("text, json");
    assert_int_equal(READ("--credentials-file="), OPTIONS_USAGE);
    says("empty");
    assert_int_equal(READ("--credentials-file=/a/path/too/long"), OPTIONS_USAGE);
    says("longer than 15 bytes");
    assert_int_equal(READ("--credentials-file=a\nb"), OPTIONS_USAGE);
    says("--credentials-file=\"a\\nb\": holds a line break or another control character");
    assert_int_equal(READ("--credentials-file=/a "), OPTIONS_USAGE);
    says("--credentials-file=\"/a \": ends in a blank");
    assert_int_equal(READ("--credentials-file=${X}/a"), OPTIONS_USAGE);
    says("--credentials-file=\"${X}/a\": holds a reference that was not expanded");
    assert_int_equal(READ("--wait=5s "), OPTIONS_USAGE);
    says("--wait=\"5s \": ends in a blank");
    assert_int_equal(READ("--uid= 5 "), OPTIONS_OK); /* no path, and its handler takes it */
    assert_int_equal(READ("-x"), OPTIONS_USAGE);
    assert_int_equal(READ("a", "b", "c"), OPTIONS_USAGE);
    says("unexpected word c");
    assert_int_equal(READ("--=x"), OPTIONS_USAGE);
    assert_int_equal(READ("---wait=1s"), OPTIONS_USAGE);
}

static void values_of_any_length_give_one_bounded_line(void **state) {
    (void)state;
    static char word[3 * OPTIONS_VALUE_MAX];
    memset(word, '\n', sizeof word - 1);
    assert_int_equal(READ("--credentials-file", word), OPTIONS_USAGE);
    says("--credentials-file=");
    assert_int_equal(READ("a", "b", word), OPTIONS_USAGE);
    says("unexpected word");
    memcpy(word, "--", 2);
    assert_int_equal(READ(word), OPTIONS_USAGE);
    says("unknown option");
    memset(word, 'w', sizeof word - 1);
    setenv("POD_IDENTITY_UID", word, 1);
    assert_int_equal(READ("x"), OPTIONS_USAGE);
    says("4095");
}

static void a_mistyped_choice_gets_a_proposal(void **state) {
    (void)state;
    assert_int_equal(READ("--format=jsom"), OPTIONS_USAGE);
    says("text, json; did you mean json?");
    assert_int_equal(READ("--format=yaml"), OPTIONS_USAGE);
    assert_null(strstr(problem_text, "did you mean"));
}

static char told[256];

static void tell(void *context, const char *variable, const char *meant) {
    (void)context;
    assert_string_equal(told, ""); /* one at a time is set here */
    snprintf(told, sizeof told, "%s: %s", variable, meant);
}

/* Variables that nobody reads; the one meant may be another program's. */
static void unknown_variables(void **state) {
    (void)state;
    static const char *const table[][3] = {
        {"POD_IDENTITY_WAIT", "5s", ""},
        {"POD_IDENTITY_HTTP_TOKEN", "x", ""}, /* another program's */
        {"POD_IDENTITY_WIAT", "5s", "POD_IDENTITY_WIAT: POD_IDENTITY_WAIT"},
        {"POD_IDENTITY_HTTP_TOKEN_FIL", "x", "POD_IDENTITY_HTTP_TOKEN_FIL: POD_IDENTITY_HTTP_TOKEN_FILE"},
        {"POD_IDENTITY_WONDERFUL", "x", "POD_IDENTITY_WONDERFUL: "},
        {"POD_IDENTITY_", "x", "POD_IDENTITY_: "},
        {"POD_IDENTITY_WIAT", "", ""}, /* empty is not set */
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        told[0] = '\0';
        setenv(table[i][0], table[i][1], 1);
        options_unknown(&options, tell, NULL);
        unsetenv(table[i][0]);
        assert_string_equal(told, table[i][2]);
    }
    char longest[600] = "POD_IDENTITY_"; /* as long as anybody's: named, and nothing is near it */
    memset(longest + 13, 'X', 500);
    told[0] = '\0';
    setenv(longest, "x", 1);
    options_unknown(&options, tell, NULL);
    unsetenv(longest);
    assert_non_null(strstr(told, "POD_IDENTITY_XXX"));
}

static void help_and_version_end_the_reading(void **state) {
    (void)state;
    assert_int_equal(READ("--wait=nonsense", "--help"), OPTIONS_HELP);
    assert_int_equal(READ("-h"), OPTIONS_HELP);
    assert_int_equal(READ("serve", "--version", "--nonsense"), OPTIONS_VERSION);
    assert_int_equal(READ("help"), OPTIONS_HELP);
    assert_int_equal(READ("version", "--nonsense"), OPTIONS_VERSION);
    assert_int_equal(READ("-V"), OPTIONS_VERSION);
    assert_int_equal(READ("x", "help"), OPTIONS_OK);
    assert_int_equal(READ("--", "--help"), OPTIONS_OK);
}

static void help_has_every_option_and_its_default(void **state) {
    (void)state;
    static char text[OPTIONS_HELP_MAX];
    struct buf out = BUF(text);
    char *argv[] = {"pod-identity-test", "--help", NULL};
    options_help(&options, 2, argv, &out);
    assert_false(out.overflow);
    static const char *const parts[] = {"Usage: pod-identity-test [OPTION...] [COMMAND]\n",
                                        "About.",
                                        "--wait=DURATION",
                                        "[60s]",
                                        "--strict ",
                                        "--credentials-file=PATH",
                                        "--format=text|json",
                                        "--uid=UID",
                                        "--help",
                                        "--version",
                                        "POD_IDENTITY_",
                                        "The end.\n"};
    for (size_t i = 0; i < COUNT(parts); i++) {
        if (strstr(text, parts[i]) == NULL)
            fail_msg("no \"%s\" in the help", parts[i]);
    }
    assert_null(strstr(text, "[]")); /* what has no default */
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1)
        assert_true(strcspn(line, "\n") <= OPTIONS_HELP_WIDTH);
}

static void a_command_has_its_options(void **state) {
    (void)state;
    static const struct option_command some = {"probe", "", "wait uid"}, others = {"once", "", "!wait uid"},
                                       none = {"version", "", ""}, all = {"serve", "", NULL};
    assert_true(option_is_of(&some, "wait") && option_is_of(&some, "uid"));
    assert_false(option_is_of(&some, "strict") || option_is_of(&some, "wai") || option_is_of(&some, "waits"));
    assert_false(option_is_of(&others, "wait") || option_is_of(&others, "uid"));
    assert_true(option_is_of(&others, "strict") && option_is_of(&others, "ui"));
    assert_false(option_is_of(&none, "wait"));
    assert_true(option_is_of(&all, "wait"));
}

static void help_of_a_command_and_in_groups(void **state) {
    (void)state;
    static char text[OPTIONS_HELP_MAX];
    static const struct option_command commands[] = {
        {"probe", "Looks.", "uid"}, {"serve", "Serves.", NULL}, {.name = NULL}};
    static const struct option_spec rows[] = {
        OPTION_GROUP("First"),
        OPTION("wait", "DURATION", "60s", "how long", option_take_duration, false),
        OPTION_GROUP("Second"),
        OPTION("uid", "UID", "", "who", option_take_duration, false),
        OPTION("old", "UID", "", "", option_take_duration, false),
        {.name = NULL}};
    const struct options grouped = {
        .program = "p", .synopsis = "[COMMAND]", .about = "About.", .specs = rows, .commands = commands};
    char *all[] = {"p", "--help", NULL}, *one[] = {"p", "probe", "--help", NULL};
    struct buf out = BUF(text);
    options_help(&grouped, 2, all, &out);
    assert_non_null(strstr(text, "\nFirst:\n  --wait=DURATION"));
    assert_non_null(strstr(text, "\nSecond:\n  --uid=UID"));
    assert_non_null(strstr(text, "  probe             Looks.\n"));
    assert_null(strstr(text, "old"));
    buf_reset(&out);
    options_help(&grouped, 3, one, &out);
    assert_non_null(strstr(text, "Usage: p probe [OPTION]...\n\nLooks.\n\nSecond:\n  --uid=UID"));
    assert_null(strstr(text, "First"));
}

static void text_is_wrapped(void **state) {
    (void)state;
    char text[512], words[300];
    for (size_t i = 0; i < sizeof words; i++)
        words[i] = i % 7 == 6 ? ' ' : 'x';
    struct buf out = BUF(text);
    options_wrap(&out, words, sizeof words - 1, 4, 2);
    size_t lines = 0;
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1, lines++)
        assert_true(strcspn(line, "\n") <= OPTIONS_HELP_WIDTH - (lines == 0 ? 2 : 0) &&
                    (lines == 0 || strncmp(line, "    x", 5) == 0));
    assert_int_equal(lines, 4);
    buf_reset(&out);
    options_wrap(&out, "", 0, 4, 0);
    assert_string_equal(text, "\n");
}

static void the_version_names_what_it_is_made_of(void **state) {
    (void)state;
    char text[VERSION_TEXT_MAX];
    struct buf out = BUF(text);
    version_text("pod-identity-test", &out);
    assert_false(out.overflow);
    static const char *const parts[] = {"pod-identity-test ", "musl ", "BearSSL ", "libcurl ", "cJSON "};
    for (size_t i = 0; i < COUNT(parts); i++)
        assert_non_null(strstr(text, parts[i]));
    assert_non_null(strstr(text, version_number()));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(both_spellings, clear_environment),
        cmocka_unit_test_setup(the_option_wins_over_the_environment, clear_environment),
        cmocka_unit_test_setup(usage_errors_name_option_value_and_reason, clear_environment),
        cmocka_unit_test_setup(values_of_any_length_give_one_bounded_line, clear_environment),
        cmocka_unit_test_setup(a_mistyped_choice_gets_a_proposal, clear_environment),
        cmocka_unit_test_setup(unknown_variables, clear_environment),
        cmocka_unit_test_setup(help_and_version_end_the_reading, clear_environment),
        cmocka_unit_test_setup(help_has_every_option_and_its_default, clear_environment),
        cmocka_unit_test(a_command_has_its_options),
        cmocka_unit_test(help_of_a_command_and_in_groups),
        cmocka_unit_test(text_is_wrapped),
        cmocka_unit_test(the_version_names_what_it_is_made_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
