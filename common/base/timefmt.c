#include "common/base/timefmt.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/buf.h"

#define DAY_S 86400
#define DURATION_LIMIT_MS (INT64_C(10000) * 3600 * 1000)

struct civil {
    int year, month, day, hour, minute, second;
};

/* Days since 1970-01-01 of a proleptic Gregorian date (the well-known algorithm over 400-year eras). */
static int64_t days_from_civil(int year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static struct civil civil_from_unix(int64_t unix_s) {
    static const int64_t last = INT64_C(253402300799); /* 9999-12-31T23:59:59Z */
    if (unix_s < 0)
        unix_s = 0;
    if (unix_s > last)
        unix_s = last;
    int64_t z = unix_s / DAY_S + 719468;
    int64_t era = z / 146097;
    int64_t of_era = z - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t mp = (5 * of_year + 2) / 153;
    int rest = (int)(unix_s % DAY_S);
    struct civil c;
    c.day = (int)(of_year - (153 * mp + 2) / 5 + 1);
    c.month = (int)(mp < 10 ? mp + 3 : mp - 9);
    c.year = (int)(year_of_era + era * 400 + (c.month <= 2));
    c.hour = rest / 3600;
    c.minute = rest / 60 % 60;
    c.second = rest % 60;
    return c;
}

static bool leap(int year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static enum err civil_to_unix(const struct civil *c, int64_t *unix_s) {
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (c->year < TIME_YEAR_MIN || c->year > TIME_YEAR_MAX || c->month < 1 || c->month > 12 || c->day < 1)
        return ERR_RANGE;
    if (c->day > days[c->month - 1] + (c->month == 2 && leap(c->year)))
        return ERR_RANGE;
    if (c->hour > 23 || c->minute > 59 || c->second > 60)
        return ERR_RANGE;
    *unix_s =
        days_from_civil(c->year, c->month, c->day) * DAY_S + c->hour * 3600 + c->minute * 60 + c->second;
    return ERR_OK;
}

/* A reader over the text; `bad` sticks, so that a grammar reads as a list of its parts. */
struct scan {
    const char *at, *end;
    bool bad;
};

static int digits(struct scan *s, int count) {
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (s->at >= s->end || *s->at < '0' || *s->at > '9') {
            s->bad = true;
            return 0;
        }
        value = value * 10 + (*s->at++ - '0');
    }
    return value;
}

static void expect(struct scan *s, const char *text) {
    size_t len = strlen(text);
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, text, len) != 0) {
        s->bad = true;
        return;
    }
    s->at += len;
}

static bool next_is(const struct scan *s, char c) {
    return s->at < s->end && *s->at == c;
}

static int fraction_ms(struct scan *s) {
    if (!next_is(s, '.'))
        return 0;
    s->at++;
    int ms = 0, count = 0;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++, count++) {
        if (count < 3)
            ms = ms * 10 + (*s->at - '0');
    }
    if (count < 1 || count > 9)
        s->bad = true;
    for (; count < 3; count++)
        ms *= 10;
    return ms;
}

/* Seconds east of UTC. */
static int zone(struct scan *s) {
    if (next_is(s, 'Z')) {
        s->at++;
        return 0;
    }
    if (!next_is(s, '+') && !next_is(s, '-')) {
        s->bad = true;
        return 0;
    }
    int sign = *s->at++ == '-' ? -1 : 1;
    int hours = digits(s, 2);
    expect(s, ":");
    int minutes = digits(s, 2);
    if (hours > 23 || minutes > 59)
        s->bad = true;
    return sign * (hours * 3600 + minutes * 60);
}

enum err time_parse_rfc3339(const char *text, size_t len, int64_t *unix_ms) {
    struct scan s = {.at = text, .end = text + len, .bad = false};
    struct civil c = {.year = 0};
    c.year = digits(&s, 4);
    expect(&s, "-");
    c.month = digits(&s, 2);
    expect(&s, "-");
    c.day = digits(&s, 2);
    expect(&s, "T");
    c.hour = digits(&s, 2);
    expect(&s, ":");
    c.minute = digits(&s, 2);
    expect(&s, ":");
    c.second = digits(&s, 2);
    int ms = fraction_ms(&s);
    int offset_s = zone(&s);
    if (s.bad || s.at != s.end)
        return ERR_SYNTAX;
    int64_t unix_s;
    enum err e = civil_to_unix(&c, &unix_s);
    if (e != ERR_OK)
        return e;
    *unix_ms = (unix_s - offset_s) * 1000 + ms;
    return ERR_OK;
}

enum err time_parse_http(const char *text, size_t len, int64_t *unix_s) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (len != 29 || text[3] != ',')
        return ERR_SYNTAX;
    struct scan s = {.at = text + 4, .end = text + len, .bad = false};
    struct civil c = {.year = 0};
    expect(&s, " ");
    c.day = digits(&s, 2);
    expect(&s, " ");
    for (int m = 0; m < 12; m++) {
        if (memcmp(s.at, months + 3 * m, 3) == 0)
            c.month = m + 1;
    }
    s.at += 3;
    expect(&s, " ");
    c.year = digits(&s, 4);
    expect(&s, " ");
    c.hour = digits(&s, 2);
    expect(&s, ":");
    c.minute = digits(&s, 2);
    expect(&s, ":");
    c.second = digits(&s, 2);
    expect(&s, " GMT");
    if (s.bad || s.at != s.end)
        return ERR_SYNTAX;
    return civil_to_unix(&c, unix_s);
}

void time_format_utc(int64_t unix_s, char out[TIME_UTC_MAX]) {
    struct civil c = civil_from_unix(unix_s);
    struct buf b = buf_over(out, TIME_UTC_MAX);
    buf_fmt(&b, "%04d-%02d-%02dT%02d:%02d:%02dZ", c.year, c.month, c.day, c.hour, c.minute, c.second);
}

void time_format_basic(int64_t unix_s, char out[TIME_BASIC_MAX]) {
    struct civil c = civil_from_unix(unix_s);
    struct buf b = buf_over(out, TIME_BASIC_MAX);
    buf_fmt(&b, "%04d%02d%02dT%02d%02d%02dZ", c.year, c.month, c.day, c.hour, c.minute, c.second);
}

static const struct unit {
    const char *name;
    int64_t ms;
} units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

/* One number with its unit, of what is smaller than *below; a fraction only if it is whole milliseconds. */
static enum err take_span(const char **at, int64_t *below, int64_t *ms) {
    const char *p = *at;
    int64_t value = 0, scale = 1;
    for (; *p >= '0' && *p <= '9'; p++) {
        value = value * 10 + (*p - '0');
        if (value > DURATION_LIMIT_MS)
            return ERR_RANGE;
    }
    if (p == *at)
        return ERR_SYNTAX;
    if (*p == '.') {
        for (p++; *p >= '0' && *p <= '9' && scale < 1000; p++, scale *= 10)
            value = value * 10 + (*p - '0');
        if (scale == 1)
            return ERR_SYNTAX;
    }
    if (*p == '\0')
        return ERR_MISSING;
    size_t len = strcspn(p, "0123456789.");
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strlen(units[i].name) != len || memcmp(p, units[i].name, len) != 0)
            continue;
        if (value / scale > DURATION_LIMIT_MS / units[i].ms)
            return ERR_RANGE;
        if (units[i].ms >= *below || value * units[i].ms % scale != 0)
            return ERR_SYNTAX;
        *below = units[i].ms;
        *ms += value * units[i].ms / scale;
        *at = p + len;
        return *ms > DURATION_LIMIT_MS ? ERR_RANGE : ERR_OK;
    }
    return ERR_SYNTAX;
}

/* As Go writes them, too: "1m30s", "1.5s". */
enum err time_parse_duration(const char *text, int64_t *ms) {
    int64_t below = INT64_MAX, sum = 0;
    if (*text == '\0')
        return ERR_EMPTY;
    if (strspn(text, "0") == strlen(text)) {
        *ms = 0;
        return ERR_OK;
    }
    while (*text != '\0') {
        enum err e = take_span(&text, &below, &sum);
        if (e != ERR_OK)
            return e;
    }
    *ms = sum;
    return ERR_OK;
}

void time_format_duration(int64_t ms, char out[TIME_DURATION_MAX]) {
    struct buf b = buf_over(out, TIME_DURATION_MAX);
    if (ms == 0) {
        buf_str(&b, "0");
        return;
    }
    size_t i = 0;
    while (ms % units[i].ms != 0)
        i++;
    buf_i64(&b, ms / units[i].ms);
    buf_str(&b, units[i].name);
}

void time_format_rough(int64_t ms, char out[TIME_DURATION_MAX]) {
    struct buf b = buf_over(out, TIME_DURATION_MAX);
    if (ms < 0) {
        buf_char(&b, '-');
        ms = -ms;
    }
    int64_t s = ms / 1000;
    if (s >= 2 * DAY_S)
        buf_fmt(&b, "%lldd %lldh", (long long)(s / DAY_S), (long long)(s / 3600 % 24));
    else if (s >= 3600)
        buf_fmt(&b, "%lldh %lldm", (long long)(s / 3600), (long long)(s / 60 % 60));
    else if (s >= 60)
        buf_fmt(&b, "%lldm %llds", (long long)(s / 60), (long long)(s % 60));
    else if (s >= 10)
        buf_fmt(&b, "%llds", (long long)s);
    else
        buf_fmt(&b, "%lld.%llds", (long long)s, (long long)(ms % 1000 / 100));
}
