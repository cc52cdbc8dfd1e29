#include "common/text/json.h"

#include <cJSON.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/scratch.h"
#include "common/base/wipe.h"
#include "common/text/decimal.h"

#ifndef __GLIBC__
/* In place of the C library's, for cJSON: see decimal.h. It stands here because whatever uses cJSON links
 * this file. */
double strtod(const char *restrict text, char **restrict end) {
    return decimal_parse(text, end);
}
#endif

/* cJSON asks for memory through these two; the arena only grows until json_close() empties it. There is one
 * for the process: cJSON's hooks know no caller, and a document is opened and closed within one call, so that
 * a second one would be 64 KiB that nobody uses. */
FAR_SCRATCH static _Alignas(16) unsigned char arena[JSON_ARENA_SIZE];
static size_t arena_used;
static bool arena_full;
static cJSON *document;
static size_t error_at;

static void *arena_take(size_t size) {
    if (size > sizeof arena - arena_used) {
        arena_full = true;
        return NULL;
    }
    void *p = arena + arena_used;
    arena_used += (size + 15) & ~(size_t)15;
    if (arena_used > sizeof arena)
        arena_used = sizeof arena;
    return p;
}

static void arena_give_back(void *p) {
    (void)p;
}

/* Whether there is a backslash and a u without four hexadecimal digits, or with four zeros: cJSON takes both
 * for a NUL, which ends its strings early. */
static bool escapes_nul(const char *at, size_t len) {
    bool zero = true;
    if (len < 2 || at[0] != '\\' || at[1] != 'u')
        return false;
    for (size_t i = 2; i < 6; i++) {
        if (i >= len || !isxdigit((unsigned char)at[i]))
            return true;
        zero = zero && at[i] == '0';
    }
    return zero;
}

/* cJSON's own limit on depth gives the same error as a syntax error: it is looked for here first, so that it
 * is named. */
static enum err scan(const char *text, size_t len) {
    size_t depth = 0, content = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        error_at = i;
        if (c == '\0')
            return ERR_SYNTAX;
        if (in_string) {
            if (escapes_nul(text + i, len - i))
                return ERR_SYNTAX;
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
            else if ((unsigned char)c < 0x20)
                return ERR_SYNTAX;
            continue;
        }
        if (c == '"')
            in_string = true;
        else if ((c == '{' || c == '[') && ++depth > JSON_DEPTH_MAX)
            return ERR_TOO_DEEP;
        else if ((c == '}' || c == ']') && depth-- == 0)
            return ERR_SYNTAX;
        bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
        if ((unsigned char)c < 0x20 && !blank) /* cJSON passes over them */
            return ERR_SYNTAX;
        content += !blank;
    }
    return content == 0 ? ERR_EMPTY : ERR_OK;
}

enum err json_open(const char *text, size_t len, const struct json **root) {
    json_close();
    if (len > JSON_INPUT_MAX)
        return ERR_TOO_LONG;
    enum err e = scan(text, len);
    if (e != ERR_OK)
        return e;
    cJSON_Hooks hooks = {.malloc_fn = arena_take, .free_fn = arena_give_back};
    cJSON_InitHooks(&hooks);
    const char *end = NULL;
    document = cJSON_ParseWithLengthOpts(text, len, &end, 0);
    if (document == NULL) {
        bool full = arena_full;
        error_at = end != NULL ? (size_t)(end - text) : 0;
        json_close();
        return full ? ERR_TOO_LONG : ERR_SYNTAX;
    }
    while (end < text + len && (*end == ' ' || *end == '\t' || *end == '\r' || *end == '\n'))
        end++;
    if (end != text + len) {
        error_at = (size_t)(end - text);
        json_close();
        return ERR_SYNTAX;
    }
    *root = (const struct json *)document;
    return ERR_OK;
}

static const cJSON *node(const struct json *value) {
    return (const cJSON *)value;
}

size_t json_error_offset(void) {
    return error_at;
}

/* How many values stand ahead of it in the document. */
static bool count_to(const cJSON *at, const cJSON *wanted, size_t *count) {
    for (; at != NULL; at = at->next) {
        if (at == wanted)
            return true;
        ++*count;
        if (count_to(at->child, wanted, count))
            return true;
    }
    return false;
}

static size_t skip_string(const char *text, size_t len, size_t i) {
    for (i++; i < len && text[i] != '"'; i++)
        i += text[i] == '\\';
    return i + 1;
}

static bool ends_word(char c) {
    return strchr(",:]} \t\r\n", c) != NULL;
}

/* Counts the values of the text as count_to() does those of the tree: the name ahead of the last one is its
 * own. */
unsigned json_line(const char *text, size_t len, const struct json *value) {
    size_t left = 0, name = 0, line_end = 0, i = 0;
    (void)count_to(document, node(value), &left);
    while (i < len) {
        if (ends_word(text[i])) {
            i++;
            continue;
        }
        size_t start = i;
        if (text[i] == '"')
            i = skip_string(text, len, i);
        else if (text[i] == '{' || text[i] == '[')
            i++;
        else
            while (i < len && !ends_word(text[i]))
                i++;
        size_t behind = i;
        while (behind < len && strchr(" \t\r\n", text[behind]) != NULL)
            behind++;
        if (text[start] == '"' && behind < len && text[behind] == ':') {
            name = start;
            continue;
        }
        line_end = node(value)->string != NULL ? name : start;
        if (left-- == 0)
            break;
    }
    unsigned line = 1;
    for (i = 0; i < line_end; i++)
        line += text[i] == '\n';
    return line;
}

void json_close(void) {
    wipe(arena, arena_used);
    arena_used = 0;
    arena_full = false;
    document = NULL;
}

bool json_is_object(const struct json *value) {
    return value != NULL && cJSON_IsObject(node(value));
}

bool json_is_array(const struct json *value) {
    return value != NULL && cJSON_IsArray(node(value));
}

bool json_is_null(const struct json *value) {
    return value != NULL && cJSON_IsNull(node(value));
}

bool json_is_true(const struct json *value) {
    return value != NULL && cJSON_IsTrue(node(value));
}

bool json_is_false(const struct json *value) {
    return value != NULL && cJSON_IsFalse(node(value));
}

const char *json_name(const struct json *member) {
    return member != NULL ? node(member)->string : NULL;
}

const struct json *json_get(const struct json *value, const char *name) {
    if (!json_is_object(value))
        return NULL;
    return (const struct json *)cJSON_GetObjectItemCaseSensitive(node(value), name);
}

const struct json *json_item(const struct json *value, size_t i) {
    if (!json_is_object(value) && !json_is_array(value))
        return NULL;
    const cJSON *item = node(value)->child;
    while (item != NULL && i-- > 0)
        item = item->next;
    return (const struct json *)item;
}

const char *json_text(const struct json *value) {
    return value != NULL && cJSON_IsString(node(value)) ? node(value)->valuestring : NULL;
}

bool json_number(const struct json *value, int64_t *out) {
    static const double limit = 9007199254740992.0;
    if (value == NULL || !cJSON_IsNumber(node(value)))
        return false;
    double d = node(value)->valuedouble;
    if (!(d >= -limit && d <= limit))
        return false;
    *out = (int64_t)d;
    return true;
}

bool json_integer(const struct json *value, int64_t *out) {
    return json_number(value, out) && (double)*out == node(value)->valuedouble;
}
