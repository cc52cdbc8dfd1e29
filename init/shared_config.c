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

struct scan {
    const char *at, *end, *profile;
    bool ours; /* within a section of that profile */
};

/* The next "key = value" in the sections of the profile. An indented line is a part of the setting above it.
 */
static bool next_setting(struct scan *s, struct word *key, struct word *value) {
    while (s->at < s->end) {
        const char *line = s->at, *newline = memchr(line, '\n', (size_t)(s->end - line)),
                   *stop = newline != NULL ? newline : s->end;
        s->at = newline != NULL ? newline + 1 : s->end;
        if (*line == '[') {
            s->ours = names_profile(line, stop, s->profile);
            continue;
        }
        const char *equals = s->ours && !blank(*line) ? memchr(line, '=', (size_t)(stop - line)) : NULL;
        if (equals != NULL) {
            *key = trimmed(line, equals);
            *value = trimmed(equals + 1, stop);
            return true;
        }
    }
    return false;
}

/* credential_source = EcsContainer: the role is assumed with what the container endpoint gives, which is what
 * EKS Pod Identity injects. Meant, so no shadow. */
static bool builds_on_the_endpoint(struct scan s) {
    struct word key, value;
    while (next_setting(&s, &key, &value)) {
        if (is(key, "credential_source") && is(value, "EcsContainer"))
            return true;
    }
    return false;
}

const char *shared_config_find(const char *text, size_t len, const char *profile) {
    static const char keys[][24] = {"credential_process", "sso_start_url",     "sso_session",
                                    "role_arn",           "aws_access_key_id", "web_identity_token_file"};
    const struct scan begin = {text, text + len, profile, false};
    struct scan s = begin;
    struct word key, value;
    while (next_setting(&s, &key, &value)) {
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
            if (is(key, keys[i]) && !(is(key, "role_arn") && builds_on_the_endpoint(begin)))
                return keys[i];
        }
    }
    return NULL;
}
