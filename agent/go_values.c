#include "agent/go_values.h"

#include <string.h>

#define NS_PER_MS 1000000
#define DIGITS "0123456789"

static const struct unit {
    char name[4];
    int64_t ns;
} units[] = {
    {"ns", 1},
    {"us", 1000},
    {"\xC2\xB5s", 1000},
    {"\xCE\xBCs", 1000},
    {"ms", NS_PER_MS},
    {"s", 1000 * (int64_t)NS_PER_MS},
    {"m", 60000 * (int64_t)NS_PER_MS},
    {"h", 3600000 * (int64_t)NS_PER_MS},
};

/* At the longest name that fits: "ms" is not "m". */
static const struct unit *unit_at(const char *at) {
    size_t len = strcspn(at, DIGITS ".+-");
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strlen(units[i].name) == len && memcmp(units[i].name, at, len) == 0)
            return &units[i];
    }
    return NULL;
}

/* One "1.5h" of a duration, as nanoseconds. NULL: it is none; *too_long: more than the longest. */
static const char *take_part(const char *at, int64_t *ns, bool *too_long) {
    size_t whole_len = strspn(at, DIGITS), fraction_len = 0;
    int64_t whole = 0, fraction = 0, scale = 1;
    const char *fraction_at = at + whole_len;
    for (size_t i = 0; i < whole_len; i++) {
        whole = whole * 10 + (at[i] - '0');
        if (whole > GO_DURATION_MAX_MS * NS_PER_MS) {
            *too_long = true;
            return NULL;
        }
    }
    if (*fraction_at == '.') {
        fraction_len = strspn(++fraction_at, DIGITS);
        for (size_t i = 0; i < fraction_len && i < 9; i++, scale *= 10)
            fraction = fraction * 10 + (fraction_at[i] - '0');
    }
    const struct unit *unit = unit_at(fraction_at + fraction_len);
    if (whole_len + fraction_len == 0 || unit == NULL)
        return NULL;
    *too_long = whole > GO_DURATION_MAX_MS * NS_PER_MS / unit->ns;
    /* an hour has 3.6e12 ns: a fraction of nine digits is divided first */
    *ns = whole * (*too_long ? 0 : unit->ns) + (int64_t)((double)fraction / (double)scale * (double)unit->ns);
    return fraction_at + fraction_len + strlen(unit->name);
}

bool go_duration(const char *text, int64_t *ms, struct buf *problem) {
    const char *at = text + (*text == '-' || *text == '+');
    int64_t sum = 0, part = 0;
    bool too_long = false;
    if (strcmp(at, "0") == 0) {
        *ms = 0;
        return true;
    }
    if (*at == '\0')
        at = NULL;
    while (at != NULL && *at != '\0') {
        at = take_part(at, &part, &too_long);
        sum += part;
        if (too_long || sum > GO_DURATION_MAX_MS * NS_PER_MS) {
            buf_str(problem, "more than 10000h");
            return false;
        }
    }
    if (at == NULL) {
        bool bare = *text != '\0' && strspn(text, DIGITS ".") == strlen(text);
        buf_str(problem, bare ? "a unit is missing, as in 3h, 90m, 1h30m, 500ms"
                              : "not a duration such as 3h, 90m, 1h30m or 500ms");
        return false;
    }
    int64_t rounded = sum > 0 && sum < NS_PER_MS ? 1 : sum / NS_PER_MS;
    *ms = *text == '-' ? -rounded : rounded;
    return true;
}

/* The digits behind sign and base; *end is behind the last one. Saturates. */
static int64_t digits(const char *at, int base, const char **end) {
    int64_t n = 0;
    for (;; at++) {
        int digit = *at >= '0' && *at <= '9'                 ? *at - '0'
                    : (*at | 32) >= 'a' && (*at | 32) <= 'f' ? (*at | 32) - 'a' + 10
                                                             : 16;
        if (digit >= base) {
            *end = at;
            return n;
        }
        n = n > (INT64_MAX - digit) / base ? INT64_MAX : n * base + digit;
    }
}

static bool in_bounds(int64_t n, int64_t min, int64_t max, struct buf *problem) {
    if (n >= min && n <= max)
        return true;
    buf_fmt(problem, "not from %lld to %lld", (long long)min, (long long)max);
    return false;
}

bool go_integer(const char *text, int64_t min, int64_t max, int64_t *out, struct buf *problem) {
    bool negative = *text == '-';
    const char *at = text + (negative || *text == '+'), *end;
    bool hex = at[0] == '0' && (at[1] | 32) == 'x', octal = !hex && at[0] == '0' && at[1] != '\0';
    int64_t n = digits(at + (hex ? 2 : 0), hex ? 16 : octal ? 8 : 10, &end);
    if (end == at + (hex ? 2 : 0) || *end != '\0') {
        buf_str(problem, octal && *at != '\0' && strspn(at, DIGITS) == strlen(at)
                             ? "a number that begins with 0 is octal: leave the 0 out"
                             : "not a whole number");
        return false;
    }
    *out = negative ? -n : n;
    return in_bounds(*out, min, max, problem);
}

bool go_bytes(const char *text, int64_t min, int64_t max, int64_t *out, struct buf *problem) {
    static const char suffixes[][3] = {"", "Ki", "Mi", "Gi"};
    const char *end;
    int64_t n = digits(text, 10, &end);
    for (size_t i = 0; end != text && i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (strcmp(end, suffixes[i]) == 0) {
            *out = n > INT64_MAX >> (10 * i) ? INT64_MAX : n << (10 * i);
            return in_bounds(*out, min, max, problem);
        }
    }
    buf_str(problem, "not a number of bytes such as 16777216, 512Ki or 16Mi");
    return false;
}

bool go_bool(const char *text, bool *out, struct buf *problem) {
    static const char yes[][5] = {"1", "t", "T", "true", "TRUE", "True"},
                      no[][6] = {"0", "f", "F", "false", "FALSE", "False"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *out = strcmp(text, yes[i]) == 0;
            return true;
        }
    }
    buf_str(problem, "neither true nor false");
    return false;
}
