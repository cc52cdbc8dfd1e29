#include "agent/webhook/members.h"

#include <string.h>

#define DECODED_MAX                                                                                          \
    512 /* of a name that is written with escapes: those that are looked for have less than 100 */

enum span_kind span_kind(struct json_span span) {
    switch (span.len > 0 ? *span.at : 'n') {
    case '{':
        return SPAN_OBJECT;
    case '[':
        return SPAN_ARRAY;
    case '"':
        return SPAN_STRING;
    case 't':
        return SPAN_TRUE;
    case 'f':
        return SPAN_FALSE;
    case 'n':
        return SPAN_NULL;
    default:
        return SPAN_NUMBER;
    }
}

/* The text of a string: where it lies, if it has no escapes. False: it cannot be one that is looked for. */
static bool text_of(struct json_span string, char decoded[DECODED_MAX], const char **text, size_t *len) {
    if (string.len < 2 || *string.at != '"')
        return false;
    *text = string.at + 1;
    *len = string.len - 2;
    if (memchr(*text, '\\', *len) == NULL)
        return true;
    *text = decoded;
    return json_span_text(string, decoded, DECODED_MAX, len) == ERR_OK;
}

bool span_begins(struct json_span string, const char *text) {
    char decoded[DECODED_MAX];
    const char *at;
    size_t len, wanted = strlen(text);
    return text_of(string, decoded, &at, &len) && len >= wanted && memcmp(at, text, wanted) == 0;
}

bool span_is(struct json_span string, const char *text) {
    char decoded[DECODED_MAX];
    const char *at;
    size_t len;
    return text_of(string, decoded, &at, &len) && len == strlen(text) && memcmp(at, text, len) == 0;
}

bool span_same(struct json_span a, struct json_span b) {
    char decoded[2][DECODED_MAX];
    const char *at[2];
    size_t len[2];
    return text_of(a, decoded[0], &at[0], &len[0]) && text_of(b, decoded[1], &at[1], &len[1]) &&
           len[0] == len[1] && memcmp(at[0], at[1], len[0]) == 0;
}

static bool fits(enum span_kind wanted, enum span_kind kind) {
    return wanted == SPAN_NULL || kind == wanted || kind == SPAN_NULL ||
           (wanted == SPAN_TRUE && kind == SPAN_FALSE);
}

const char *members_pick(struct json_span object, struct member *members, size_t count) {
    struct json_span name, value;
    size_t position = 0;
    for (size_t i = 0; i < count; i++)
        members[i].value = (struct json_span){"", 0};
    while (span_kind(object) == SPAN_OBJECT && json_span_next(object, &position, &name, &value)) {
        size_t i = 0;
        while (i < count && !span_is(name, members[i].name))
            i++;
        if (i < count)
            members[i].value = value;
    }
    for (size_t i = 0; i < count; i++) {
        enum span_kind kind = span_kind(members[i].value);
        if (!fits(members[i].kind, kind))
            return members[i].name;
        if (kind == SPAN_NULL)
            members[i].value.len = 0;
    }
    return NULL;
}

struct json_span members_get(struct json_span object, const char *name) {
    struct member m = {.name = name, .kind = SPAN_NULL};
    (void)members_pick(object, &m, 1);
    return m.value;
}

unsigned span_line(const char *text, const char *at) {
    unsigned line = 1;
    for (const char *p = text; p < at; p++)
        line += *p == '\n';
    return line;
}
