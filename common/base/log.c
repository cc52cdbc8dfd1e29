#include "common/base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/timefmt.h"

static enum log_level threshold = LOG_INFO;
static enum log_format layout = LOG_LOGFMT;
static int output = STDERR_FILENO;
static int64_t dropped; /* lines, since one was written */
_Static_assert(LOG_LINE_MAX <= IO_NOW_MAX, "a line is written whole or not at all");

void log_setup(enum log_level level, enum log_format format, int fd) {
    threshold = level;
    layout = format;
    output = fd;
}

bool log_enabled(enum log_level level) {
    return level <= threshold;
}

static const char *level_name(enum log_level level) {
    static const char *const names[] = {"error", "warn", "info", "debug"};
    return names[level];
}

static bool plain(const char *text) {
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return true;
}

static void put_field(struct buf *line, const char *key, const char *text, int64_t number, bool first) {
    if (!first)
        buf_char(line, layout == LOG_JSON ? ',' : ' ');
    if (layout == LOG_JSON) {
        buf_json(line, key, strlen(key));
        buf_char(line, ':');
    } else {
        buf_str(line, key);
        buf_char(line, '=');
    }
    if (text == NULL)
        buf_i64(line, number);
    else if (layout == LOG_JSON || !plain(text))
        buf_json(line, text, strlen(text));
    else
        buf_str(line, text);
}

/* Whether the lines that were dropped are told, or need not be. */
static bool tell_dropped(void) {
    int64_t lines = dropped;
    dropped = 0;
    if (lines > 0)
        LOG(LOG_WARN, "lines of the log were dropped: nobody read them", LOG_NUMBER("lines", lines));
    bool told = dropped == 0;
    dropped = told ? 0 : lines;
    return told;
}

void log_event(enum log_level level, const char *event, const struct log_field *fields) {
    if (!log_enabled(level))
        return;
    int saved_errno = errno;
    if (!tell_dropped()) {
        dropped++;
        errno = saved_errno;
        return;
    }
    /* The closing "truncated" field, the brace and the newline always have room. */
    enum { RESERVE = 32 };
    char text[LOG_LINE_MAX];
    struct buf line = buf_over(text, sizeof text - RESERVE);
    char stamp[TIME_UTC_MAX];
    time_format_utc(clock_now().wall_ms / 1000, stamp);
    if (layout == LOG_JSON)
        buf_char(&line, '{');
    put_field(&line, "time", stamp, 0, true);
    put_field(&line, "level", level_name(level), 0, false);
    put_field(&line, "msg", event, 0, false);
    for (const struct log_field *f = fields; f->key != NULL && !line.overflow; f++) {
        size_t before = line.len;
        put_field(&line, f->key, f->text, f->number, false);
        if (line.overflow)
            line.len = before;
    }
    bool truncated = line.overflow;
    line.cap = sizeof text;
    line.overflow = false;
    if (truncated)
        buf_str(&line, layout == LOG_JSON ? ",\"truncated\":true" : " truncated=true");
    buf_str(&line, layout == LOG_JSON ? "}\n" : "\n");
    /* One write a line, so that lines of several programs do not mix. A log that cannot be written to is no
     * reason to stop serving, nor to wait. */
    if (!io_write_now(output, line.data, line.len))
        dropped++;
    errno = saved_errno;
}

static uint32_t hash_text(const char *text) {
    uint32_t hash = 2166136261U; /* FNV-1a: only tells one message from another */
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619U;
    return hash;
}

void log_failing(struct log_repeat *state, enum log_level level, const char *event, const char *key,
                 const char *text) {
    uint32_t hash = hash_text(key);
    bool same = state->failing && state->key_hash == hash;
    state->times = state->failing ? state->times + 1 : 1;
    state->failing = true;
    state->key_hash = hash;
    LOG(same ? LOG_DEBUG : level, event, LOG_TEXT("reason", key), LOG_TEXT("error", text),
        LOG_NUMBER("times", state->times));
}

void log_mended(struct log_repeat *state, const char *event) {
    if (!state->failing)
        return;
    LOG(LOG_INFO, event, LOG_NUMBER("after_failures", state->times));
    *state = (struct log_repeat){.failing = false};
}
