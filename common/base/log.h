/* The log: one line an event on standard error, logfmt or JSON.
 *
 * The caller names the event and its fields; the log takes no free text that could hold a secret, and the
 * values of fields are quoted and bounded here. errno survives every call. A reader who stops to read is
 * never waited for: lines are dropped and counted, and the number is told as soon as one can be written
 * again. */
#ifndef POD_IDENTITY_BASE_LOG_H
#define POD_IDENTITY_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

#define LOG_LINE_MAX                                                                                         \
    2048 /* a line that would be longer loses its last fields and says so with truncated=true */

struct log_field {
    const char *key;  /* lower case, no blanks */
    const char *text; /* NULL: the number is the value */
    int64_t number;
};

#define LOG_TEXT(k, t) ((struct log_field){.key = (k), .text = (t)})
#define LOG_NUMBER(k, n) ((struct log_field){.key = (k), .number = (n)})
#define LOG_END ((struct log_field){.key = 0})

/* Until this is called: info, logfmt, descriptor 2. */
void log_setup(enum log_level level, enum log_format format, int fd);
bool log_enabled(enum log_level level);

/* fields end with LOG_END. event is a short fixed phrase. */
void log_event(enum log_level level, const char *event, const struct log_field *fields);
#define LOG(level, event, ...) log_event((level), (event), (const struct log_field[]){__VA_ARGS__, LOG_END})

/* An error that may come again and again: logged at `level` when it is new or its key has changed, at debug
 * while it lasts, and its end once, at info. The key tells one kind of failure from another where the text
 * differs each time (a duration, a request id). One struct for each thing that can go wrong, zeroed at the
 * start. */
struct log_repeat {
    bool failing;
    uint32_t key_hash;
    int64_t times;
};
void log_failing(struct log_repeat *state, enum log_level level, const char *event, const char *key,
                 const char *text);
void log_mended(struct log_repeat *state, const char *event);

#endif
