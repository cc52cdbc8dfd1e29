#include "common/text/quote.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "common/base/wipe.h"
#include "common/text/json.h"
#include "common/text/quote_decode.h"
#include "common/text/quote_guess.h"
#include "common/text/secrets.h"

#define NESTED_MAX 3 /* encodings one within the other */
#define LOOKS_MAX 96 /* readings of one text; nothing but an attack has more, and then nothing is shown */
#define GRAM_BITS 16384
#define GAP_MAX 8 /* from one window of a secret to the next, with what is no letter between */

/* One look at a text in all its readings: for what one secret shows in it, or for what looks like one. */
struct look {
    struct quote_marks *marks;
    const struct quote_stream *text;
    const char *secret; /* NULL: none in particular */
    size_t secret_len;
    unsigned looks;
    uint8_t grams[GRAM_BITS / 8]; /* which windows may stand in the secret, by their hash */
};

/* ---- what this process holds ---- */

/* The last QUOTE_WINDOW letters and digits of a text, in lower case: all else may stand between them. */
struct window {
    size_t count;
    char text[QUOTE_WINDOW];
    size_t at[QUOTE_WINDOW]; /* where each stands */
};

/* Takes the next character; true if the window is full and ends with it. */
static bool slide(struct window *w, char c, size_t at) {
    if (c >= 'A' && c <= 'Z')
        c = (char)(c + 32);
    else if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
        return false;
    memmove(w->text, w->text + 1, QUOTE_WINDOW - 1);
    memmove(w->at, w->at + 1, sizeof w->at - sizeof w->at[0]);
    w->text[QUOTE_WINDOW - 1] = c;
    w->at[QUOTE_WINDOW - 1] = at;
    return ++w->count >= QUOTE_WINDOW;
}

static size_t gram(const struct window *w) {
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < QUOTE_WINDOW; i++)
        hash = (hash ^ (unsigned char)w->text[i]) * 16777619U;
    return (hash ^ hash >> 15) % GRAM_BITS;
}

static void note_grams(struct look *look) {
    struct window w = {.count = 0};
    memset(look->grams, 0, sizeof look->grams);
    for (size_t i = 0; i < look->secret_len; i++) {
        if (slide(&w, look->secret[i], i)) {
            size_t bit = gram(&w);
            look->grams[bit / 8] |= (uint8_t)(1U << bit % 8);
        }
    }
}

/* Whether the window stands in the secret; then *at is where it ends there. Mostly it goes on from where the
 * one before it ended, *at (0: there was none). */
static bool stands(const struct look *look, const struct window *w, size_t *at) {
    size_t bit = gram(w), first = *at;
    if ((look->grams[bit / 8] >> bit % 8 & 1) == 0)
        return false;
    for (int round = 0; round < 2; round++, first = QUOTE_WINDOW) {
        struct window own = {.count = 0};
        size_t last = round == 0 ? first + GAP_MAX : look->secret_len;
        for (size_t i = first < QUOTE_WINDOW ? 0 : first - QUOTE_WINDOW; i < look->secret_len && i < last;
             i++) {
            if (slide(&own, look->secret[i], i) && memcmp(own.text, w->text, QUOTE_WINDOW) == 0) {
                *at = i + 1;
                return true;
            }
        }
    }
    return false;
}

static void find_known(const struct look *look, const struct quote_stream *s) {
    struct window w = {.count = 0};
    size_t at = 0;
    for (size_t i = 0; i < s->len; i++) {
        if (slide(&w, s->c[i], i) && stands(look, &w, &at))
            quote_mark(look->marks, s, w.at[0], i + 1, QUOTE_HIDDEN);
    }
}

/* ---- one text in all its readings ---- */

static void examine(struct look *look, const struct quote_stream *s, unsigned nested) {
    struct quote_stream inner;
    if (++look->looks > LOOKS_MAX)
        return;
    if (look->secret != NULL)
        find_known(look, s);
    else
        quote_guess(look->marks, s, nested);
    if (nested == NESTED_MAX)
        return;
    if (quote_unescape(s, &inner))
        examine(look, &inner, nested + 1);
    for (unsigned skip = 0; skip < 4; skip++) {
        if (quote_from_base64(s, skip, &inner))
            examine(look, &inner, nested + 1);
    }
    for (unsigned skip = 0; skip < 2; skip++) {
        if (quote_from_hex(s, skip, &inner))
            examine(look, &inner, nested + 1);
    }
    wipe(inner.c, sizeof inner.c);
}

/* What cannot be looked at is not shown. */
static void look_for(void *context, const char *secret, size_t len) {
    struct look *look = context;
    if (secret != NULL && len < QUOTE_WINDOW)
        return;
    look->secret = secret;
    look->secret_len = len;
    look->looks = 0;
    note_grams(look);
    examine(look, look->text, 0);
    if (look->looks > LOOKS_MAX)
        memset(look->marks->kinds, QUOTE_HIDDEN, look->text->len);
}

static size_t word(const struct quote_marks *m, const char *text, size_t at, size_t len) {
    size_t n = 0;
    while (
        at + n < len && m->kinds[at + n] == m->kinds[at] &&
        (m->kinds[at] != QUOTE_SHOWN || n == 0 || (quote_is_wordy(text[at + n]) && quote_is_wordy(text[at]))))
        n++;
    return n;
}

/* Neither a word nor what stands for a secret is cut. */
static void show(struct buf *message, const struct quote_marks *m, const char *text, size_t len, size_t max,
                 bool more) {
    static const char hidden[] = "[redacted]";
    size_t room = max;
    for (size_t i = 0, n; i < len; i += n) {
        n = word(m, text, i, len);
        size_t size = m->kinds[i] == QUOTE_HIDDEN ? sizeof hidden - 1 : n;
        if (size > room) {
            more = true;
            break;
        }
        room -= size;
        if (m->kinds[i] == QUOTE_HIDDEN) {
            buf_str(message, hidden);
        } else if (m->kinds[i] == QUOTE_SHORTENED) {
            buf_put(message, text + i, 4);
            buf_str(message, "...");
            buf_put(message, text + i + n - 4, 4);
        } else {
            buf_printable(message, text + i, n, n);
        }
    }
    if (more)
        buf_str(message, "...");
}

void quote_text(struct buf *message, const char *text, size_t len, size_t max) {
    struct quote_marks marks = {{0}};
    struct quote_stream s;
    struct look look = {.marks = &marks, .text = &s};
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
        len--;
    s.len = len < QUOTE_LOOKED_AT ? len : QUOTE_LOOKED_AT;
    for (size_t i = 0; i <= s.len; i++)
        s.from[i] = (uint16_t)i;
    memcpy(s.c, text, s.len);
    secrets_each(look_for, &look);
    look_for(&look, NULL, 0);
    quote_widen(&marks, text, s.len);
    buf_char(message, '"');
    show(message, &marks, text, s.len, max, s.len < len);
    buf_char(message, '"');
    wipe(s.c, s.len);
}

/* ---- bodies ---- */

static const char *json_message(const struct json *root) {
    static const char names[][20] = {"message",           "Message", "errorMessage",
                                     "error_description", "error",   "Error"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct json *member = json_get(root, names[i]);
        const char *text = json_text(member);
        if (text == NULL && json_is_object(member))
            text = json_text(json_get(member, "message"));
        if (text == NULL && json_is_object(member))
            text = json_text(json_get(member, "Message"));
        if (text != NULL)
            return text;
    }
    return NULL;
}

static void quote_json(struct buf *message, const char *body, size_t len) {
    const struct json *root;
    const char *text = json_open(body, len, &root) == ERR_OK ? json_message(root) : NULL;
    if (text != NULL)
        quote_text(message, text, strlen(text), QUOTE_MAX);
    else
        buf_str(message, "JSON without a message");
    json_close();
}

/* The first text of a page, which is its title where it has one; of other markup, that of <Message>. */
static const char *first_text(const char *body, size_t len, bool page, size_t *text_len) {
    static const char open[] = "<Message>";
    const char *end = body + len, *at = page ? body : memmem(body, len, open, sizeof open - 1);
    while (at != NULL && at < end) {
        const char *behind = memchr(at, '>', (size_t)(end - at));
        at = behind != NULL ? behind + 1 : end;
        while (at < end && strchr(" \t\r\n", *at) != NULL)
            at++;
        if (at < end && *at != '<') {
            const char *close = memchr(at, '<', (size_t)(end - at));
            *text_len = (size_t)((close != NULL ? close : end) - at);
            return at;
        }
    }
    return NULL;
}

bool quote_is_page(const char *body, size_t len) {
    static const char starts[][10] = {"<html", "<!doctype", "<head", "<body", "<title"};
    while (len > 0 && strchr(" \t\r\n", *body) != NULL)
        body++, len--;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        if (len >= strlen(starts[i]) && strncasecmp(body, starts[i], strlen(starts[i])) == 0)
            return true;
    }
    return false;
}

static void quote_markup(struct buf *message, const char *body, size_t len) {
    size_t text_len = 0;
    bool page = quote_is_page(body, len);
    const char *text = first_text(body, len, page, &text_len);
    buf_str(message, page ? "a page of HTML" : "XML");
    if (text == NULL)
        return;
    buf_char(message, ' ');
    quote_text(message, text, text_len, QUOTE_MAX);
}

void quote_body(struct buf *message, const char *body, size_t len) {
    size_t blank = 0;
    while (blank < len && strchr(" \t\r\n", body[blank]) != NULL)
        blank++;
    bool more = blank + 1 < len;
    if (blank < len && (body[blank] == '{' || body[blank] == '"' ||
                        (more && body[blank] == '[' && strchr("{\"", body[blank + 1]) != NULL)))
        quote_json(message, body, len);
    else if (blank < len && body[blank] == '<')
        quote_markup(message, body, len);
    else
        quote_text(message, body, len, QUOTE_MAX);
}
