#include "tests/unit/unit.h"

#include "sidecar/get/shell_words.h"

#define GET "/pod/pod-identity-get"

static struct shell_line line;

static bool split(const char *text, struct buf *problem) {
    memset(&line, 0x55, sizeof line);
    return shell_words_split(guarded(text, strlen(text) + 1), &line, problem);
}

/* "<word><word>", as printf '<%s>' would show them. */
static void show(struct buf *out) {
    for (size_t i = 0; i < line.count; i++)
        buf_fmt(out, "<%s>", line.words[i]);
}

static const struct {
    const char *text, *words;
    enum shell_errors errors;
} accepted[] = {
    {GET, "<" GET ">", SHELL_ERRORS_KEPT},
    {" \t" GET "\t --socket \t/a ", "<" GET "><--socket></a>", SHELL_ERRORS_KEPT},
    {"'a b' c", "<a b><c>", SHELL_ERRORS_KEPT},
    {"\"a b\"'c'd\\ e", "<a bcd e>", SHELL_ERRORS_KEPT},
    {"a '' \"\" b", "<a><><><b>", SHELL_ERRORS_KEPT},
    {"'$x `y` | \\' a", "<$x `y` | \\><a>", SHELL_ERRORS_KEPT},
    {"\"\\$x \\`y\\` \\\\ \\\" \\a | * '\"", "<$x `y` \\ \" \\a | * '>", SHELL_ERRORS_KEPT},
    {"\\$\\*\\\\\\'\\\"\\;", "<$*\\'\";>", SHELL_ERRORS_KEPT},
    {"a#b c~d e=f", "<a#b><c~d><e=f>", SHELL_ERRORS_KEPT},
    {"'#' \\~ \"~\"", "<#><~><~>", SHELL_ERRORS_KEPT},
    {"a \xc3\xa9 \xff", "<a><\xc3\xa9><\xff>", SHELL_ERRORS_KEPT},
    {GET " 2>/dev/null", "<" GET ">", SHELL_ERRORS_DROPPED},
    {GET " 2> /dev/null", "<" GET ">", SHELL_ERRORS_DROPPED},
    {GET " 2>&1", "<" GET ">", SHELL_ERRORS_TO_STDOUT},
    {GET " 2>&1 ", "<" GET ">", SHELL_ERRORS_TO_STDOUT},
    {GET " 2>/dev/null 2>&1", "<" GET ">", SHELL_ERRORS_TO_STDOUT},
    {GET " 2>&1 2>\t/dev/null", "<" GET ">", SHELL_ERRORS_DROPPED},
    {GET " '2>&1' \"2>\"/dev/null 2\\>", "<" GET "><2>&1><2>/dev/null><2>>", SHELL_ERRORS_KEPT},
};

static void words_and_quotes(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(accepted); i++) {
        char shown[256], why[256];
        struct buf out = BUF(shown), problem = BUF(why);
        if (!split(accepted[i].text, &problem))
            fail_msg("%s: %s", accepted[i].text, why);
        show(&out);
        assert_string_equal(shown, accepted[i].words);
        assert_int_equal(line.errors, accepted[i].errors);
        assert_null(line.words[line.count]);
    }
}

static void what_a_shell_would_act_on_is_refused(void **state) {
    (void)state;
    static const char *const refused[] = {
        "",
        " \t ",
        GET ";id",
        GET " | id",
        GET " & ",
        GET " && id",
        GET " > /x",
        GET " >/dev/null",
        GET " 1>&2",
        GET " < /x",
        GET " $HOME",
        GET " \"$HOME\"",
        GET " `id`",
        GET " \"`id`\"",
        GET " $(id)",
        "(" GET ")",
        "{ " GET "; }",
        "! " GET,
        GET " *",
        GET " a?",
        GET " [a]",
        GET " {a,b}",
        GET " ~/x",
        GET " # x",
        GET "\nid",
        GET "\n",
        GET "\r",
        GET " '\n'",
        GET " \\\n",
        GET " \x7f",
        GET " 'a",
        GET " \"a",
        GET " \"a\\",
        GET " \"a\\\"",
        GET " a\\",
        "A=b",
        "_A9=b " GET,
        "A+=b " GET,
        "A=/pod/pod-identity-get",
        GET " 2>/dev/nullx",
        GET " 2>/dev/null;id",
        GET " 2>&12",
        GET " 2> &1",
        GET " 2>&1 x",
        GET " 2>/dev/null --socket /x",
        GET " 2>>/dev/null",
        GET " 2>",
        GET " 2>&",
        GET " 2>/tmp/x",
        GET " 12>&1",
        "2>&1",
        "2>&1 " GET,
        GET " 2>&1|id",
    };
    for (size_t i = 0; i < COUNT(refused); i++) {
        char why[256];
        struct buf problem = BUF(why);
        if (split(refused[i], &problem))
            fail_msg("accepted: %s", refused[i]);
        assert_true(problem.len > 0 && !problem.overflow && strchr(why, '\n') == NULL);
    }
}

static void a_refusal_says_where(void **state) {
    (void)state;
    char why[256];
    struct buf problem = BUF(why);
    assert_false(split("abc 'secret' | x", &problem));
    assert_true(strncmp(why, "character 14: '|': ", 19) == 0);
    assert_null(strstr(why, "secret"));
}

static void limits(void **state) {
    (void)state;
    static char text[SHELL_LINE_MAX + 1];
    char why[256];
    struct buf problem = BUF(why);
    memset(text, 'a', SHELL_LINE_MAX - 1);
    assert_true(split(text, &problem));
    assert_int_equal(strlen(line.words[0]), SHELL_LINE_MAX - 1);
    text[SHELL_LINE_MAX - 1] = 'a';
    assert_false(split(text, &problem));
    for (size_t words = 1; words <= SHELL_WORDS_MAX + 1; words++) {
        struct buf many = BUF(text);
        for (size_t i = 0; i < words; i++)
            buf_str(&many, "a ");
        buf_reset(&problem);
        assert_int_equal(split(text, &problem), words <= SHELL_WORDS_MAX);
    }
}

/* The words that the machine's own shell makes of the line. */
static void ask_shell(const char *text, struct buf *out) {
    char command[1024];
    struct buf b = BUF(command);
    buf_fmt(&b, "set -- %s\nfor w; do printf '<%%s>' \"$w\"; done", text);
    assert_false(b.overflow);
    FILE *shell = popen(command, "r");
    assert_non_null(shell);
    char piece[512];
    size_t n = fread(piece, 1, sizeof piece, shell);
    buf_put(out, piece, n);
    assert_int_equal(pclose(shell), 0);
}

/* Lines of these pieces: what is accepted means to the shell what it means here. */
static void a_real_shell_agrees(void **state) {
    (void)state;
    static const char *const pieces[] = {"a", "2", ">",  "&1", "'",         "\"", "\\",   " ",
                                         "$", "`", "\t", "/",  "/dev/null", "#",  "2>&1", "=",
                                         "~", "-", "*",  "~a", "''",        "!",  "%",    "^"};
    struct dice dice = {.state = 7};
    size_t agreed = 0;
    for (int tries = 0; tries < 200000 && agreed < 300; tries++) {
        char text[128], why[256], here[256], there[512];
        struct buf made = BUF(text), problem = BUF(why), ours = BUF(here), theirs = BUF(there);
        buf_str(&made, "x ");
        for (uint64_t n = 2 + dice_below(&dice, 8); n > 0; n--)
            buf_str(&made, pieces[dice_below(&dice, COUNT(pieces))]);
        if (!split(text, &problem))
            continue;
        show(&ours);
        ask_shell(text, &theirs);
        if (strcmp(here, there) != 0)
            fail_msg("%s: %s here, %s in the shell", text, here, there);
        agreed++;
    }
    assert_int_equal(agreed, 300);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_quotes),     cmocka_unit_test(what_a_shell_would_act_on_is_refused),
        cmocka_unit_test(a_refusal_says_where), cmocka_unit_test(limits),
        cmocka_unit_test(a_real_shell_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
