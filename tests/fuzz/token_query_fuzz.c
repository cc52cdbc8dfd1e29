/* The query of /v1/token/KIND, from its decoding to the signed token. The first line of the input is the
 * kind, the rest the query. What is signed is what was asked for, by a decoder and an encoder of its own; the
 * order of parameters is nothing; no refusal shows a value, and no answer the secret key. */
#include "tests/fuzz/fuzz.h"

#include <ctype.h>

#include "common/aws/aws_token.h"
#include "common/aws/sts.h"
#include "sidecar/tokens.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define MARKER "Zq7-a-value-that-nobody-says"
#define QUERY_MAX (REQUEST_TARGET_MAX - 64) /* what is put behind it fits, too */

static void retired(const struct answer *answer) {
    (void)answer;
}

static void open_once(void) {
    static const char *const names[] = {"default", "other"};
    static const struct sts_identity who;
    static const struct identity identity = {"default", "pod-identity", &who};
    static const struct credentials c = {.access_key_id = "ASIAEXAMPLEKEYID1234",
                                         .secret_access_key = SECRET,
                                         .session_token = "IQoJb3JpZ2luX2VjEXAMPLE==",
                                         .expires_ms = INT64_C(253402300799000)};
    static bool open;
    if (open)
        return;
    open = true;
    HOLDS(setenv("AWS_REGION", "eu-central-1", 1) == 0);
    answers_open(retired, false, names, 2);
    for (size_t i = 0; i < 2; i++)
        answers_publish(i, &c, 1, &identity, NULL, NULL);
}

static bool holds(const struct answer *a, const char *text) {
    return memmem(a->body, a->body_len, text, strlen(text)) != NULL;
}

/* Each by another user, so that nobody has asked too often. */
static const struct answer *ask(const char *kind, const char *query) {
    static uint32_t user;
    static struct request r = {.method = REQUEST_GET};
    HOLDS(strlen(query) < sizeof r.query);
    memcpy(r.query, query, strlen(query) + 1);
    const struct answer *a = tokens_pick(ANSWERS_ALL, &r, kind, user++);
    HOLDS(a->status == 200 || a->status == 400 || a->status == 404);
    HOLDS(!holds(a, SECRET) && a->body_len > 0);
    return a;
}

/* The last value of a parameter, decoded and encoded again, as a signed query has it. False: it is not there.
 */
static bool value_of(const char *query, const char *name, char *out) {
    static const char hex[] = "0123456789ABCDEF";
    bool found = false;
    for (const char *at = query; at != NULL; at = strchr(at, '&') != NULL ? strchr(at, '&') + 1 : NULL) {
        size_t len = strlen(name);
        if (strncmp(at, name, len) != 0 || at[len] != '=')
            continue;
        char *to = out;
        found = true;
        for (at += len + 1; *at != '\0' && *at != '&'; at++) {
            unsigned value = (unsigned char)*at == '+' ? ' ' : (unsigned char)*at;
            if (*at == '%') {
                HOLDS(isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2]));
                HOLDS(sscanf(at + 1, "%2x", &value) == 1);
                at += 2;
            }
            if (isalnum((int)value) || strchr("-._~", (int)value) != NULL)
                *to++ = (char)value;
            else
                to += sprintf(to, "%%%c%c", hex[value >> 4], hex[value & 15]);
        }
        *to = '\0';
    }
    return found;
}

static void reverse(const char *query, char *out) {
    size_t end = strlen(query);
    *out = '\0';
    for (size_t at = end + 1; at-- > 0;) {
        if (at > 0 && query[at - 1] != '&')
            continue;
        sprintf(out + strlen(out), "%s%.*s", *out != '\0' ? "&" : "", (int)(end - at), query + at);
        end = at > 0 ? at - 1 : 0;
    }
}

static void signed_as_asked(const char *kind, const char *query, const struct answer *a) {
    static char wanted[3 * QUERY_MAX + 16], user[3 * QUERY_MAX];
    static char first[AWS_TOKEN_MAX], other[QUERY_MAX + 1];
    HOLDS(a->body_len < sizeof first);
    for (size_t i = 0; i < a->body_len; i++)
        HOLDS(a->body[i] > ' ' && a->body[i] <= '~');
    memcpy(first, a->body, a->body_len);
    first[a->body_len] = '\0';
    if (value_of(query, "user", user)) {
        snprintf(wanted, sizeof wanted, "User=%s&", user);
        HOLDS(strstr(first, wanted) != NULL);
    }
    const struct answer *again = ask(kind, query);
    HOLDS(again->status == 200 && again->body_len == strlen(first));
    HOLDS(memcmp(again->body, first, again->body_len) == 0);
    reverse(query, other);
    again = ask(kind, other);
    HOLDS(again->status == 200 && again->body_len == strlen(first));
    HOLDS(memcmp(again->body, first, again->body_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char kind[64], query[REQUEST_TARGET_MAX];
    const char *text = as_text(data, size);
    size_t len = strcspn(text, "\n");
    if (len >= sizeof kind || text[len] == '\0' || strlen(text + len + 1) > QUERY_MAX)
        return 0;
    open_once();
    memcpy(kind, text, len);
    kind[len] = '\0';
    text += len + 1;
    const struct answer *a = ask(kind, text);
    bool is_name = holds(a, MARKER); /* names are shown */
    if (a->status == 200)
        signed_as_asked(kind, text, a);
    snprintf(query, sizeof query, "%s&region=" MARKER "%%01", text);
    a = ask(kind, query);
    HOLDS(a->status != 200 && holds(a, MARKER) == is_name);
    tokens_forget(0);
    tokens_forget(1);
    return 0;
}
