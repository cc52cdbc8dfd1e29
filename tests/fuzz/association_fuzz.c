/* Associations. The input is a key, a line break, and a value; both are also judged alone, under each
 * ceiling. */
#include "tests/fuzz/fuzz.h"

#include "agent/association_value.h"

static struct association_text first, again;
static struct association_problem problem, problem_again;

static void judge(const struct associations_rules *rules, const char *text, size_t len) {
    bool good = association_parse(text, len, rules, &first, &problem);
    HOLDS(association_parse(text, len, rules, &again, &problem_again) == good);
    HOLDS(strlen(problem.text) < sizeof problem.text);
    if (!good) {
        HOLDS(problem.line > 0 && problem.field != NULL && problem.text[0] != '\0');
        HOLDS(strcmp(problem.text, problem_again.text) == 0 && problem.line == problem_again.line);
        for (const char *p = problem.text; *p != '\0'; p++)
            HOLDS(*p >= ' ' && *p <= '~');
        return;
    }
    HOLDS(memcmp(&first, &again, sizeof first) == 0);
    HOLDS(first.role_arn[0] != '\0');
    HOLDS(first.external_id[0] == '\0' || first.target_role_arn[0] != '\0');
    HOLDS(first.duration_s == 0 ||
          (first.duration_s >= STS_DURATION_MIN_S && first.duration_s <= STS_DURATION_MAX_S));
    HOLDS(first.target_role_arn[0] == '\0' || first.duration_s <= STS_CHAIN_MAX_S);
    HOLDS(rules->ceiling == EXCHANGE_ASSUME_ROLE || first.exchange == EXCHANGE_WEB_IDENTITY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct associations_rules rules[] = {{EXCHANGE_WEB_IDENTITY, ROLE_ARN_AWS, true},
                                                      {EXCHANGE_ASSUME_ROLE, ROLE_ARN_ANY, true},
                                                      {EXCHANGE_ASSUME_ROLE, ROLE_ARN_AWS, false}};
    const char *text = (const char *)data;
    const char *line = size > 0 ? memchr(text, '\n', size) : NULL;
    size_t key_len = line != NULL ? (size_t)(line - text) : size;
    char why[ASSOCIATION_PROBLEM_MAX];
    struct buf b = BUF(why);
    if (!association_key_check(text, key_len, &b))
        HOLDS(b.len > 0 && !b.overflow);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        judge(&rules[i], text, size);
        if (line != NULL)
            judge(&rules[i], line + 1, size - key_len - 1);
    }
    return 0;
}
