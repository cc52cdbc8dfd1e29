/* Command lines: nothing that a shell would act on gets through, the words lie in their storage, and quoted
 * again they split into the same words. */
#include "tests/fuzz/fuzz.h"

#include "sidecar/get/shell_words.h"

static struct shell_line first, second;
static char quoted[4 * SHELL_LINE_MAX];

/* Every word in single quotes, those within it as '\''. */
static void quote_words(const struct shell_line *l, struct buf *out) {
    for (size_t i = 0; i < l->count; i++) {
        buf_str(out, i > 0 ? " '" : "'");
        for (const char *c = l->words[i]; *c != '\0'; c++) {
            if (*c == '\'')
                buf_str(out, "'\\''");
            else
                buf_char(out, *c);
        }
        buf_char(out, '\'');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = as_text(data, size);
    char why[1024];
    struct buf problem = BUF(why), again = BUF(quoted);
    memset(&first, 0xaa, sizeof first);
    if (!shell_words_split(text, &first, &problem)) {
        HOLDS(problem.len > 0 && !problem.overflow);
        return 0;
    }
    HOLDS(strlen(text) < SHELL_LINE_MAX && strchr(text, '\n') == NULL);
    /* Without any quoting only plain words and the two redirections are left. */
    if (strpbrk(text, "'\"\\") == NULL) {
        HOLDS(strpbrk(text, "|;<()$`*?[]{}!") == NULL);
        HOLDS(first.errors != SHELL_ERRORS_KEPT || strpbrk(text, "<>&") == NULL);
    }
    HOLDS(first.count >= 1 && first.count <= SHELL_WORDS_MAX && first.words[first.count] == NULL);
    size_t total = 0;
    for (size_t i = 0; i < first.count; i++) {
        HOLDS(first.words[i] == first.text + total);
        total += strlen(first.words[i]) + 1;
    }
    HOLDS(total <= strlen(text) + 1 && total <= SHELL_LINE_MAX);
    quote_words(&first, &again);
    HOLDS(!again.overflow);
    if (again.len >= SHELL_LINE_MAX)
        return 0;
    HOLDS(shell_words_split(again.data, &second, &problem));
    HOLDS(second.count == first.count && second.errors == SHELL_ERRORS_KEPT);
    HOLDS(memcmp(second.text, first.text, total) == 0);
    return 0;
}
