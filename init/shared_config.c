#include "init/shared_config.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/text/ini.h"

#define CHAIN_MAX 8 /* roles one on top of the other: a circle ends here */

/* ---- whose section ---- */

struct shell_text {
    const char *at, *end;
};

/* The next word as shlex.split() cuts it: 1, 0 at the end, -1 for a quote or backslash without its end.
 * Compared with `wanted` on the way. */
static int next_word(struct shell_text *s, const char *wanted, bool *same) {
    char quote = '\0';
    size_t n = 0, len = strlen(wanted);
    *same = true;
    while (s->at < s->end && strchr(" \t\r\n", *s->at) != NULL)
        s->at++;
    if (s->at == s->end)
        return 0;
    for (; s->at < s->end && (quote != '\0' || strchr(" \t\r\n", *s->at) == NULL); s->at++) {
        char c = *s->at;
        if (quote == '\0' && (c == '"' || c == '\'')) {
            quote = c;
            continue;
        }
        if (c == quote) {
            quote = '\0';
            continue;
        }
        bool escapes = c == '\\' && quote != '\'';
        if (escapes && s->at + 1 == s->end)
            return -1;
        if (escapes && (quote == '\0' || s->at[1] == '"' || s->at[1] == '\\'))
            c = *++s->at;
        *same = *same && n < len && wanted[n] == c;
        n++;
    }
    *same = *same && n == len;
    return quote == '\0' ? 1 : -1;
}

/* botocore: a header that begins with "profile" and has two words. */
static bool second_word_is(struct ini_word header, const char *profile) {
    struct shell_text s = {header.at, header.at + header.len};
    bool same, ignored;
    return next_word(&s, "", &ignored) == 1 && next_word(&s, profile, &same) == 1 && same &&
           next_word(&s, "", &ignored) == 0;
}

/* Others end the header at the first bracket, and pass by blanks within. */
static bool names_profile(struct ini_word header, enum shared_which which, const char *profile) {
    static const char word[] = "profile";
    enum { WORD = sizeof word - 1 };
    const char *end = header.at + header.len, *close = memchr(header.at, ']', header.len);
    struct ini_word name = ini_trimmed(header.at, close != NULL ? close : end);
    if (which == SHARED_CREDENTIALS || strcmp(profile, "default") == 0) {
        if (ini_is(header, profile) || ini_is(name, profile))
            return true;
    }
    if (which == SHARED_CREDENTIALS)
        return false;
    if (header.len > WORD && memcmp(header.at, word, WORD) == 0 && second_word_is(header, profile))
        return true;
    if (name.len <= WORD || memcmp(name.at, word, WORD) != 0)
        return false;
    struct ini_word rest = ini_trimmed(name.at + WORD, name.at + name.len);
    return rest.at > name.at + WORD && ini_is(rest, profile);
}

/* ---- settings ---- */

/* The last setting of that name in the sections of the profile, as a program reads it that knows no
 * duplicates; key NULL: whether there is such a section. Python hands the settings of [DEFAULT] to all
 * sections. */
static bool look_up(const struct shared_text *text, enum shared_which which, const char *profile,
                    const char *key, struct ini_word *value) {
    struct ini_reader r = {.at = text->at, .end = text->at + text->len};
    struct ini_line line;
    bool ours = false, common = false, there = false, found = false, found_common = false;
    struct ini_word ignored = {NULL, 0};
    value = value != NULL ? value : &ignored;
    while (ini_next(&r, &line)) {
        if (line.kind == INI_SECTION) {
            ours = names_profile(line.name, which, profile);
            common = !ours && ini_is(line.name, "DEFAULT");
            there = there || ours;
        } else if (line.kind == INI_SETTING && (ours || (common && !found)) && key != NULL &&
                   ini_is_key(line.name, key)) {
            *value = line.value;
            found = found || ours;
            found_common = found_common || common;
        }
    }
    return key == NULL ? there : found || (there && found_common);
}

/* The value that counts where both files have one. */
static bool either(const struct shared_files *f, const char *profile, const char *key,
                   struct ini_word *value) {
    return look_up(&f->file[SHARED_CREDENTIALS], SHARED_CREDENTIALS, profile, key, value) ||
           look_up(&f->file[SHARED_CONFIG], SHARED_CONFIG, profile, key, value);
}

/* The role is assumed with what the container endpoint gives, which is what EKS Pod Identity injects: meant.
 */
static bool ends_at_the_endpoint(const struct shared_files *f, const char *profile) {
    static char names[2][INI_PROFILE_MAX];
    struct ini_word value;
    for (unsigned depth = 0; depth < CHAIN_MAX; depth++) {
        bool source = either(f, profile, "source_profile", &value);
        if (depth > 0 &&
            (either(f, profile, "aws_access_key_id", NULL) || !either(f, profile, "role_arn", NULL)))
            return false;
        if (either(f, profile, "web_identity_token_file", NULL))
            return false;
        struct ini_word of;
        if (either(f, profile, "credential_source", &of))
            return !source && ini_is(of, "EcsContainer");
        if (!source || value.len >= INI_PROFILE_MAX)
            return false;
        memcpy(names[depth % 2], value.at, value.len);
        names[depth % 2][value.len] = '\0';
        profile = names[depth % 2];
    }
    return false;
}

const char *shared_config_find(const struct shared_files *f, enum shared_which which, const char *profile) {
    /* sso_session, sso_start_url and sso_region alone are enough for Go. A secret without its id is passed
     * by. */
    static const char keys[][24] = {
        "role_arn",    "aws_access_key_id", "credential_process", "sso_account_id",          "sso_role_name",
        "sso_session", "sso_start_url",     "sso_region",         "web_identity_token_file", "login_session"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (look_up(&f->file[which], which, profile, keys[i], NULL) &&
            !(i == 0 && ends_at_the_endpoint(f, profile)))
            return keys[i];
    }
    return NULL;
}

/* ---- faults ---- */

/* Which headers and settings there were. */
static uint64_t seen[SHARED_CONFIG_SETTINGS_MAX];

static uint64_t hash(uint64_t h, struct ini_word w, bool any_case) {
    for (size_t i = 0; i < w.len; i++) {
        unsigned char c = (unsigned char)w.at[i];
        h = (h ^ (any_case && c >= 'A' && c <= 'Z' ? c + 32U : c)) * UINT64_C(0x100000001b3);
    }
    return (h ^ 0xFF) * UINT64_C(0x100000001b3); /* a byte that no text of UTF-8 holds */
}

/* NULL, or what is wrong with it. */
static const char *note(uint64_t h, size_t *count, const char *twice) {
    for (size_t i = 0; i < *count; i++) {
        if (seen[i] == h)
            return twice;
    }
    if (*count == SHARED_CONFIG_SETTINGS_MAX)
        return "there are more than 4096 settings, and the rest is not looked at";
    seen[(*count)++] = h;
    return NULL;
}

static bool is_text(const struct shared_text *t) {
    for (size_t i = 0, n; i < t->len; i += n) {
        n = buf_utf8_len(t->at + i, t->len - i);
        if (n == 0)
            return false;
    }
    return true;
}

/* What stands in the file, line by line. */
struct review {
    uint64_t section;
    size_t count;
    bool in_section, nested; /* below a key without a value */
};

static const char *review_line(struct review *v, const struct ini_line *line) {
    switch (line->kind) {
    case INI_REMARK:
        return NULL;
    case INI_CONTINUATION:
        return v->nested && memchr(line->value.at, '=', line->value.len) == NULL
                   ? "a line of a nested block is no KEY = VALUE"
                   : NULL;
    case INI_SECTION:
        v->in_section = true;
        v->section = hash(UINT64_C(0xcbf29ce484222325), line->name, false);
        return ini_is(line->name, "DEFAULT") ? NULL
                                             : note(v->section, &v->count, "a [section] is there twice");
    case INI_SETTING:
    case INI_WRONG:
        break;
    }
    v->nested = line->kind == INI_SETTING && line->value.len == 0;
    if (!v->in_section)
        return "a line stands ahead of the first [section]";
    if (line->kind == INI_WRONG)
        return "it is neither a [section] nor KEY = VALUE";
    return note(hash(v->section, line->name, true), &v->count, "a key is there twice in its section");
}

const char *shared_config_fault(const struct shared_text *text, unsigned *number) {
    struct ini_reader r = {.at = text->at, .end = text->at + text->len};
    struct review v = {.count = 0};
    struct ini_line line;
    *number = 1;
    if (text->len >= 3 && memcmp(text->at, "\xEF\xBB\xBF", 3) == 0)
        return "the file begins with a byte order mark";
    for (; ini_next(&r, &line); ++*number) {
        const struct shared_text whole = {line.whole.at, line.whole.len};
        const char *fault = is_text(&whole) ? review_line(&v, &line) : "it is not UTF-8";
        if (fault != NULL)
            return fault;
    }
    return NULL;
}
