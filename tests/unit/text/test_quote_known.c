/* Secrets that this process holds, in every writing in which a text may repeat them. */
#include "tests/unit/unit.h"

#include "common/text/quote.h"
#include "common/text/quote_decode.h"
#include "common/text/secrets.h"

#define TOKEN                                                                                                \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ."                                                                    \
    "eyJhdWQiOlsicG9kcy5la3MuYW1hem9uYXdzLmNvbSJdLCJleHAiOjE3OTU0MzUyMDB9."                                  \
    "c2lnbmF0dXJlIG9mIHRoZSB0b2tlbiwgbm90IHNlY3JldA"
#define WORDS "opensesameplainwordsonlyhere" /* nothing to be told by but by knowing it */

static struct secret_holder token = {.text = TOKEN}, words = {.text = WORDS};

static int hold(void **state) {
    (void)state;
    secrets_hold(&token);
    secrets_hold(&words);
    secrets_hold(&token);
    return 0;
}

typedef void writing(const char *secret, struct buf *out);

static void plain(const char *secret, struct buf *out) {
    buf_str(out, secret);
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the formats are the writings below */
static void each(const char *secret, const char *format, struct buf *out) {
    for (; *secret != '\0'; secret++) {
        char one[32];
        snprintf(one, sizeof one, format, (unsigned char)*secret);
        buf_str(out, one);
    }
}

static void json_escapes(const char *secret, struct buf *out) {
    each(secret, "\\u%04x", out);
}

static void json_upper(const char *secret, struct buf *out) {
    each(secret, "\\u%04X", out);
}

static void per_cent(const char *secret, struct buf *out) {
    each(secret, "%%%02x", out);
}

static void per_cent_twice(const char *secret, struct buf *out) {
    each(secret, "%%25%02X", out);
}

static void entities(const char *secret, struct buf *out) {
    each(secret, "&#%d;", out);
}

static void entities_hex(const char *secret, struct buf *out) {
    each(secret, "&#x%X;", out);
}

static void c_escapes(const char *secret, struct buf *out) {
    each(secret, "\\x%02x", out);
}

static void list_of_bytes(const char *secret, struct buf *out) {
    each(secret, "0x%02x, ", out);
}

static void hex_lower(const char *secret, struct buf *out) {
    each(secret, "%02x", out);
}

static void hex_upper(const char *secret, struct buf *out) {
    each(secret, "%02X", out);
}

static void hex_colons(const char *secret, struct buf *out) {
    each(secret, "%02x:", out);
}

static void folded(const char *secret, struct buf *out) {
    for (size_t i = 0; secret[i] != '\0'; i++) {
        buf_char(out, secret[i]);
        if (i % 5 == 4)
            buf_str(out, "\r\n\t ");
    }
}

static void split_by_quotes(const char *secret, struct buf *out) {
    for (size_t i = 0; secret[i] != '\0'; i++) {
        buf_char(out, secret[i]);
        if (i % 6 == 5)
            buf_str(out, "\" + \"");
    }
}

static void upper_case(const char *secret, struct buf *out) {
    for (; *secret != '\0'; secret++)
        buf_char(out, (char)(*secret >= 'a' && *secret <= 'z' ? *secret - 32 : *secret));
}

static void base64_of(const char *before, const char *secret, const char *alphabet, struct buf *out) {
    char text[1024];
    int n = snprintf(text, sizeof text, "%s%s", before, secret);
    for (int i = 0; i < n; i += 3) {
        unsigned left = (unsigned)(n - i), bits = (unsigned)(unsigned char)text[i] << 16;
        bits |= left > 1 ? (unsigned)(unsigned char)text[i + 1] << 8 : 0;
        bits |= left > 2 ? (unsigned char)text[i + 2] : 0;
        for (unsigned j = 0; j < 4; j++)
            buf_char(out, j <= left ? alphabet[bits >> (18 - 6 * j) & 63] : '=');
    }
}

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static void base64(const char *secret, struct buf *out) {
    base64_of("", secret, LETTERS "+/", out);
}

static void base64_after_one(const char *secret, struct buf *out) {
    base64_of("u:", secret, LETTERS "+/", out);
}

static void base64_after_two(const char *secret, struct buf *out) {
    base64_of("{", secret, LETTERS "-_", out);
}

static void base64_of_hex(const char *secret, struct buf *out) {
    char text[1024];
    struct buf hex = BUF(text);
    hex_lower(secret, &hex);
    base64_of("", text, LETTERS "-_", out);
}

static void hex_of_base64(const char *secret, struct buf *out) {
    char text[1024];
    struct buf inner = BUF(text);
    base64(secret, &inner);
    hex_lower(text, out);
}

static void entities_in_json(const char *secret, struct buf *out) {
    each(secret, "\\u0026#%d;", out);
}

static void thrice(const char *secret, struct buf *out) {
    char text[2048];
    struct buf inner = BUF(text);
    per_cent(secret, &inner);
    base64_of("", text, LETTERS "+/", out);
}

static writing *const writings[] = {
    plain,         json_escapes,    json_upper,    per_cent,        per_cent_twice,   entities,
    entities_hex,  c_escapes,       list_of_bytes, hex_lower,       hex_upper,        hex_colons,
    folded,        split_by_quotes, upper_case,    base64,          base64_after_one, base64_after_two,
    base64_of_hex, hex_of_base64,   thrice,        entities_in_json};

/* Whether ten characters of one in a row stand in the other. */
static bool shows(const char *text, const char *written) {
    enum { PIECE = 10 };
    for (size_t i = 0; i + PIECE <= strlen(written); i++) {
        if (memmem(text, strlen(text), written + i, PIECE) != NULL)
            return true;
    }
    return false;
}

/* Alone, between words, and cut anywhere: what is left of it is still recognized. */
static void no_writing_shows_a_secret(void **state) {
    (void)state;
    static const char *const secrets[] = {TOKEN, WORDS};
    for (size_t i = 0; i < COUNT(secrets) * COUNT(writings); i++) {
        static char written[8192], text[9000], storage[4096];
        struct buf w = BUF(written);
        writings[i / 2](secrets[i % 2], &w);
        assert_false(w.overflow);
        for (size_t padding = 0; padding < 5; padding++) {
            struct buf out = BUF(storage);
            snprintf(text, sizeof text, "%.*srefused: \"%s\" is bad", (int)padding * 90,
                     "some words that come before it, so that the limit falls into the middle of what is "
                     "repeated, "
                     "and more of them, as many as there must be for that: a longer text than any real one "
                     "has, but "
                     "an answer may have as many bytes as it likes to have; nobody counts, and nobody reads "
                     "them all "
                     "the way to the end, where the interesting part usually is",
                     written);
            quote_text(&out, guarded(text, strlen(text)), strlen(text), QUOTE_MAX);
            if (shows(storage, written))
                fail_msg("writing %zu of secret %zu, padding %zu: %s", i / 2, i % 2, padding, storage);
        }
    }
}

static void a_beginning_or_end_is_a_secret_too(void **state) {
    (void)state;
    for (size_t first = 0; first + QUOTE_WINDOW <= strlen(WORDS); first++) {
        for (size_t len = QUOTE_WINDOW; first + len <= strlen(WORDS); len++) {
            char text[128], storage[256];
            struct buf out = BUF(storage);
            snprintf(text, sizeof text, "1 %.*s 2", (int)len, WORDS + first);
            quote_text(&out, text, strlen(text), 100);
            if (strcmp(storage, "\"1 [redacted] 2\"") != 0)
                fail_msg("%s: %s", text, storage);
        }
    }
}

static void what_is_no_part_of_it_stays(void **state) {
    (void)state;
    static const char *const texts[] = {"open ses", "the words of others stay here: openness",
                                        "YWJj is base64, 616263 is hex"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        char expected[128], storage[256];
        struct buf out = BUF(storage);
        snprintf(expected, sizeof expected, "\"%s\"", texts[i]);
        quote_text(&out, texts[i], strlen(texts[i]), 100);
        assert_string_equal(storage, expected);
    }
}

static void a_secret_that_changes_is_found_as_it_is(void **state) {
    (void)state;
    static char now[64] = "firstvalueofit";
    static struct secret_holder holder = {.text = now};
    char storage[256];
    struct buf out = BUF(storage);
    secrets_hold(&holder);
    snprintf(now, sizeof now, "secondvalueofit");
    quote_text(&out, "firstvalue secondvalue", 22, 100);
    assert_string_equal(storage, "\"firstvalue [redacted]\"");
    now[0] = '\0';
    buf_reset(&out);
    quote_text(&out, "secondvalue", 11, 100);
    assert_string_equal(storage, "\"secondvalue\"");
}

/* So many readings that nobody looks at them all: then nothing is shown. */
static void what_cannot_be_looked_at_is_not_shown(void **state) {
    (void)state;
    char storage[4096], text[1024];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "QUFBQUFB4141%41"[i % 15];
    struct buf out = BUF(storage);
    quote_text(&out, text, sizeof text, QUOTE_MAX);
    assert_true(out.len <= QUOTE_MAX + 16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_writing_shows_a_secret),
        cmocka_unit_test(a_beginning_or_end_is_a_secret_too),
        cmocka_unit_test(what_is_no_part_of_it_stays),
        cmocka_unit_test(a_secret_that_changes_is_found_as_it_is),
        cmocka_unit_test(what_cannot_be_looked_at_is_not_shown),
    };
    return cmocka_run_group_tests(tests, hold, NULL);
}
