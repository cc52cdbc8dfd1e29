#include "init/shared_config.h"

#include <stdbool.h>
#include <string.h>

struct word {
    const char *at;
    size_t len;
};

static bool blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static struct word trimmed(const char *at, const char *end) {
    while (at < end && blank(*at))
        at++;
    while (end > at && blank(end[-1]))
        end--;
    return (struct word){at, (size_t)(end - at)};
}

static bool is(struct word w, const char *text) {
    return w.len == strlen(text) && memcmp(w.at, text, w.len) == 0;
}

/* A line that begins with '['. */
static bool names_profile(const char *at, const char *end, const char *profile) {
    static const char word[] = "profile";
    const char *close = memchr(at, ']', (size_t)(end - at));
    if (close == NULL)
        return false;
    struct word name = trimmed(at + 1, close);
    if (name.len > sizeof word && memcmp(name.at, word, sizeof word - 1) == 0 &&
        blank(name.at[sizeof word - 1]))
        return is(trimmed(name.at + sizeof word, close), profile);
    return is(name, "default") && strcmp(profile, "default") == 0;
}

static const char *brings_credentials(const char *at, const char *end) {
    static const char keys[][24] = {"credential_process", "sso_start_url",           "sso_session",
                                    "role_arn",           "web_identity_token_file", "aws_access_key_id"};
    const char *equals = memchr(at, '=', (size_t)(end - at));
    for (size_t i = 0; equals != NULL && i < sizeof keys / sizeof keys[0]; i++) {
        if (is(trimmed(at, equals), keys[i]))
            return keys[i];
    }
    return NULL;
}

const char *shared_config_find(const char *text, size_t len, const char *profile) {
    const char *end = text + len, *found = NULL;
    bool ours = false;
    while (text < end && found == NULL) {
        const char *newline = memchr(text, '\n', (size_t)(end - text)),
                   *stop = newline != NULL ? newline : end;
        if (*text == '[')
            ours = names_profile(text, stop, profile);
        else if (ours && !blank(*text)) /* else a part of the setting above it */
            found = brings_credentials(text, stop);
        text = newline != NULL ? newline + 1 : end;
    }
    return found;
}
