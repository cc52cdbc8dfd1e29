#include "common/text/quote_guess.h"

#include <string.h>

#define TOKEN_LEAST 16  /* from its beginning on */
#define HEX_LEAST 40    /* the issuer's id has 32 digits, a bearer or hash more */
#define ARN_PART_MAX 64 /* of roles and sessions: what is longer is no name */
#define KEY_ID_LEAST 16

static bool upper(char c) {
    return c >= 'A' && c <= 'Z';
}

static bool lower(char c) {
    return c >= 'a' && c <= 'z';
}

static bool digit(char c) {
    return c >= '0' && c <= '9';
}

static bool plain(char c) {
    return upper(c) || lower(c) || digit(c);
}

/* Base64 of both alphabets. */
static bool dense(char c) {
    return plain(c) || c == '+' || c == '/' || c == '-' || c == '_';
}

bool quote_is_wordy(char c) {
    return dense(c) || c == '=' || c == '.';
}

void quote_mark(struct quote_marks *m, const struct quote_stream *s, size_t first, size_t last, int kind) {
    size_t from = s->from[first], to = s->from[last];
    if (to <= s->from[last - 1])
        to = s->from[last - 1] + 1U;
    for (size_t i = from; i < to && i < QUOTE_LOOKED_AT; i++) {
        if (m->kinds[i] < kind)
            m->kinds[i] = (uint8_t)kind;
    }
}

/* Not over what separates the parts of a name or URL. */
static bool within_word(char c) {
    return plain(c) || c == '+' || c == '_';
}

void quote_widen(struct quote_marks *m, const char *text, size_t len) {
    for (size_t i = 1; i < len; i++) {
        if (m->kinds[i - 1] == QUOTE_HIDDEN && within_word(text[i]) && within_word(text[i - 1]))
            m->kinds[i] = QUOTE_HIDDEN;
    }
    for (size_t i = len; i-- > 1;) {
        if (m->kinds[i] == QUOTE_HIDDEN && within_word(text[i]) && within_word(text[i - 1]))
            m->kinds[i - 1] = QUOTE_HIDDEN;
    }
}

/* How letters and digits change within the parts of a word that have letters of both cases. Names are made of
 * words of several letters; base64 changes at more than every second character. */
struct change {
    size_t parts_len, changes, sharpest_len, sharpest; /* of all such parts; of the longest */
    bool upper, lower, digit, dashes;
};

static void part_changes(const char *text, size_t len, struct change *out) {
    size_t changes = 0;
    bool has_upper = false, has_lower = false;
    for (size_t i = 0; i < len; i++) {
        has_upper = has_upper || upper(text[i]);
        has_lower = has_lower || lower(text[i]);
        out->digit = out->digit || digit(text[i]);
        if (i > 0 && (upper(text[i]) != upper(text[i - 1]) || digit(text[i]) != digit(text[i - 1])))
            changes++;
    }
    out->upper = out->upper || has_upper;
    out->lower = out->lower || has_lower;
    if (!has_upper || !has_lower)
        return;
    out->parts_len += len;
    out->changes += changes;
    if (len > out->sharpest_len || (len == out->sharpest_len && changes > out->sharpest)) {
        out->sharpest_len = len;
        out->sharpest = changes;
    }
}

/* Secret keys have 40 characters, of + and / beside letters and digits; session tokens have hundreds. */
static bool random_like(const char *text, size_t len) {
    struct change c = {.parts_len = 0};
    size_t hex = 0;
    for (size_t i = 0, n; i < len; i += n + 1) {
        for (n = 0; i + n < len && plain(text[i + n]);)
            n++;
        part_changes(text + i, n, &c);
    }
    for (size_t i = 0; i < len; i++) {
        c.dashes = c.dashes || text[i] == '-' || text[i] == '_';
        hex += digit(text[i]) || ((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'f') ? 1 : 0;
    }
    if (len >= HEX_LEAST && hex == len)
        return true;
    if (c.sharpest_len >= 20 && c.sharpest * 5 >= c.sharpest_len * 2)
        return true;
    if (c.dashes)
        return len >= 40 && c.parts_len >= 22 && c.changes * 9 >= c.parts_len * 4;
    return len >= 32 && c.digit && c.parts_len >= 20 && c.changes * 10 >= c.parts_len * 3;
}

/* The length of an ARN that begins there, or 0. */
static size_t arn(const char *text, size_t left) {
    size_t len = 4;
    if (left < 8 || memcmp(text, "arn:", 4) != 0)
        return 0;
    while (len < left && (dense(text[len]) || strchr(":=,.@*", text[len]) != NULL))
        len++;
    return len;
}

static void guess_in_arn(struct quote_marks *m, const struct quote_stream *s, size_t first, size_t len) {
    for (size_t i = first, n; i < first + len; i += n + 1) {
        for (n = 0; i + n < first + len && s->c[i + n] != '/' && s->c[i + n] != ':';)
            n++;
        if (n > ARN_PART_MAX)
            quote_mark(m, s, i, i + n, QUOTE_HIDDEN);
    }
}

/* User information and query behind "://". */
static void guess_in_url(struct quote_marks *m, const struct quote_stream *s, size_t first) {
    size_t end = first, at = first;
    while (end < s->len && s->c[end] > ' ' && strchr("\"'<>", s->c[end]) == NULL)
        end++;
    for (size_t i = first; i < end; i++) {
        if (s->c[i] == '@')
            at = i;
    }
    if (at > first)
        quote_mark(m, s, first, at, QUOTE_HIDDEN);
    for (size_t i = at; i + 1 < end; i++) {
        if (s->c[i] == '?' || s->c[i] == '#') {
            quote_mark(m, s, i + 1, end, QUOTE_HIDDEN);
            return;
        }
    }
}

/* "ASIA" and its like, and upper-case letters and digits. */
static void guess_ids(struct quote_marks *m, const struct quote_stream *s, size_t first, size_t end,
                      int kind) {
    for (size_t i = first, n; i < end; i += n + 1) {
        const char *id = s->c + i;
        for (n = 0; i + n < end && (upper(id[n]) || digit(id[n]));)
            n++;
        bool alone = (i == first || !plain(id[-1])) && (i + n == end || !plain(id[n]));
        if (alone && n >= KEY_ID_LEAST && id[0] == 'A' && upper(id[1]) && upper(id[2]) && id[3] == 'A')
            quote_mark(m, s, i, i + n, kind);
    }
}

/* JSON web tokens begin with "eyJ", session tokens of AWS, now and once, with the others. */
static size_t find_token(const char *text, size_t len) {
    for (size_t i = 0; i + TOKEN_LEAST <= len; i++) {
        if (memcmp(text + i, "eyJ", 3) == 0 || memcmp(text + i, "IQoJ", 4) == 0 ||
            memcmp(text + i, "FwoG", 4) == 0)
            return i;
    }
    return len;
}

static void guess_word(struct quote_marks *m, const struct quote_stream *s, size_t first, size_t len,
                       unsigned nested) {
    size_t end = first + len, token = find_token(s->c + first, len);
    if (token < len) {
        while (end < s->len && (dense(s->c[end]) || s->c[end] == '.' || s->c[end] == '='))
            end++;
        quote_mark(m, s, first + token, end, QUOTE_HIDDEN);
    } else if (random_like(s->c + first, len)) {
        while (end < s->len && s->c[end] == '=')
            end++;
        quote_mark(m, s, first, end, QUOTE_HIDDEN);
    } else {
        guess_ids(m, s, first, end, nested == 0 ? QUOTE_SHORTENED : QUOTE_HIDDEN);
    }
}

void quote_guess(struct quote_marks *m, const struct quote_stream *s, unsigned nested) {
    for (size_t i = 0, n; i < s->len; i += n) {
        const char *at = s->c + i;
        n = i == 0 || !plain(at[-1]) ? arn(at, s->len - i) : 0;
        if (n > 0) {
            guess_in_arn(m, s, i, n);
            guess_ids(m, s, i, i + n, nested == 0 ? QUOTE_SHORTENED : QUOTE_HIDDEN);
            continue;
        }
        if (s->len - i > 3 && memcmp(at, "://", 3) == 0)
            guess_in_url(m, s, i + 3);
        while (i + n < s->len && dense(s->c[i + n]))
            n++;
        if (n > 0)
            guess_word(m, s, i, n, nested);
        else
            n = 1;
    }
}
