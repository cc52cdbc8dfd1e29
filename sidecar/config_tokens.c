#include "sidecar/config_tokens.h"

#include <string.h>

#include "common/base/environment.h"
#include "common/base/scratch.h"

#define KIND "kind"
#define FILE_KEY "file"
#define MODE "mode"

/* A value as a query would have it. */
static bool as_text(const struct json *value, char out[OPTIONS_VALUE_MAX]) {
    struct buf text = buf_over(out, OPTIONS_VALUE_MAX);
    int64_t number;
    if (json_integer(value, &number))
        buf_i64(&text, number);
    else if (json_is_true(value) || json_is_false(value))
        buf_str(&text, json_is_true(value) ? "true" : "false");
    else if (json_text(value) != NULL)
        buf_str(&text, json_text(value));
    else
        return false;
    return !text.overflow;
}

/* File and mode are judged as those of the options. */
static bool take_as(const char *option, void *place, const char *text, struct buf *why) {
    const struct option_spec *spec = config_options.specs;
    while (strcmp(spec->name, option) != 0)
        spec++;
    return option_apply(spec, place, text, why);
}

static bool take_member(struct config_token *t, const struct json *member, struct buf *why) {
    SCRATCH static char text[OPTIONS_VALUE_MAX];
    char problem_text[AWS_TOKEN_PROBLEM_MAX];
    struct buf problem = BUF(problem_text);
    const char *key = json_name(member);
    if (strcmp(key, KIND) == 0)
        return true;
    if (!as_text(member, text))
        buf_str(why, "a text, a number, true or false is wanted");
    else if (strcmp(key, MODE) == 0)
        (void)take_as("file-mode", &t->mode, text, why);
    else if (strcmp(key, FILE_KEY) == 0)
        (void)take_as("process-file", t->file, text, why);
    else if (!aws_token_set(&t->token, key, text, &problem))
        buf_str(why, strstr(problem_text, ": ") + 2); /* the key is said where the line is */
    return why->len == 0;
}

static bool take_token(struct config_token *t, const struct json *object, const struct json **at,
                       struct buf *why) {
    const struct json *kind = json_get(object, KIND);
    const char *name = json_text(kind);
    t->mode = 0600;
    *at = kind != NULL ? kind : object;
    if (name == NULL || !aws_token_find(name, &t->token.kind)) {
        buf_str(why, AWS_TOKEN_KINDS_TEXT);
        return false;
    }
    for (size_t i = 0; (*at = json_item(object, i)) != NULL; i++) {
        if (json_get(object, json_name(*at)) != *at)
            buf_str(why, "it is there twice");
        else
            (void)take_member(t, *at, why);
        if (why->len > 0)
            return false;
    }
    *at = object;
    if (t->file[0] == '\0')
        buf_str(why, "a token without a \"" FILE_KEY "\"");
    else
        (void)aws_token_complete(&t->token, environment, why);
    return why->len == 0;
}

bool config_tokens_take(struct config_profile *p, const struct json *list, const struct json **at,
                        const char **key, struct buf *why) {
    const struct json *item;
    *at = list;
    *key = "tokens";
    if (!json_is_array(list)) {
        buf_str(why, "a list is wanted");
        return false;
    }
    for (size_t i = 0; (item = json_item(list, i)) != NULL; i++) {
        if (p->token_count == CONFIG_TOKENS_MAX) {
            buf_fmt(why, "more than %d of them", CONFIG_TOKENS_MAX);
            return false;
        }
        if (!take_token(&p->tokens[p->token_count++], item, at, why)) {
            if (json_name(*at) != NULL)
                *key = json_name(*at);
            return false;
        }
    }
    return true;
}

/* How many places of the whole configuration have that file. */
static size_t writers(const struct config *c, const char *file) {
    size_t count = 0;
    for (size_t i = 0; i < c->profile_count; i++) {
        const struct config_profile *p = &c->profiles[i];
        count += strcmp(p->credentials_file, file) == 0 ? 1U : 0U;
        count += strcmp(p->process_file, file) == 0 ? 1U : 0U;
        for (size_t k = 0; k < p->token_count; k++)
            count += strcmp(p->tokens[k].file, file) == 0 ? 1U : 0U;
    }
    return count;
}

bool config_tokens_check(const struct config *c, struct buf *problem) {
    for (size_t i = 0; i < c->profile_count && problem->len == 0; i++) {
        const struct config_profile *p = &c->profiles[i];
        for (size_t k = 0; k < p->token_count && problem->len == 0; k++) {
            if (writers(c, p->tokens[k].file) > 1)
                buf_fmt(problem, "tokens of the profile %.64s: two things are written to the same file",
                        p->name);
        }
    }
    return problem->len == 0;
}
