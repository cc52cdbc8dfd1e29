#include "common/base/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *reason_name(enum reason reason) {
    switch (reason) {
    case REASON_OK:
        return "OK";
    case REASON_NOT_INJECTED:
        return "NOT_INJECTED";
    case REASON_INJECTION_INVALID:
        return "INJECTION_INVALID";
    case REASON_TOKEN_UNREADABLE:
        return "TOKEN_UNREADABLE";
    case REASON_TOKEN_INVALID:
        return "TOKEN_INVALID";
    case REASON_SETTING_INVALID:
        return "SETTING_INVALID";
    case REASON_AGENT_UNREACHABLE:
        return "AGENT_UNREACHABLE";
    case REASON_ACCESS_DENIED:
        return "ACCESS_DENIED";
    case REASON_THROTTLED:
        return "THROTTLED";
    case REASON_BAD_RESPONSE:
        return "BAD_RESPONSE";
    case REASON_AWS_UNREACHABLE:
        return "AWS_UNREACHABLE";
    case REASON_TLS_FAILED:
        return "TLS_FAILED";
    case REASON_UNEXPECTED_IDENTITY:
        return "UNEXPECTED_IDENTITY";
    case REASON_USAGE:
        return "USAGE";
    case REASON_INTERNAL:
        return "INTERNAL";
    }
    return "INTERNAL";
}

struct buf failure_begin(struct failure *f, enum reason reason) {
    memset(f, 0, sizeof *f);
    f->reason = reason;
    return buf_over(f->message, sizeof f->message);
}

struct buf failure_more(struct failure *f) {
    return (struct buf){.data = f->message, .len = strlen(f->message), .cap = sizeof f->message};
}

void failure_remedy(struct failure *f, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(f->remedy, sizeof f->remedy, format, args);
    va_end(args);
}

static bool secret_alphabet(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/' || c == '=' || c == '_' || c == '-' || c == '.';
}

/* Tokens begin "eyJ" (base64 of '{"'), and may stand behind other text without a blank ("token=eyJ"); secret
 * keys have 40 characters of mixed case with digits, session tokens more. Request ids (36, lower case) and
 * ARNs (cut by ':') are not caught, and are worth reading. */
static bool looks_secret(const char *run, size_t len) {
    enum { JWT_LEAST = 16, KEY_LEAST = 40 };
    for (size_t i = 0; i + JWT_LEAST <= len; i++) {
        if (run[i] == 'e' && run[i + 1] == 'y' && run[i + 2] == 'J')
            return true;
    }
    bool upper = false, lower = false, digit = false;
    for (size_t i = 0; i < len; i++) {
        upper = upper || (run[i] >= 'A' && run[i] <= 'Z');
        lower = lower || (run[i] >= 'a' && run[i] <= 'z');
        digit = digit || (run[i] >= '0' && run[i] <= '9');
    }
    return len >= KEY_LEAST && upper && lower && digit;
}

void failure_quote(struct buf *message, const char *text, size_t len, size_t max) {
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r' || text[len - 1] == ' '))
        len--;
    buf_char(message, '"');
    size_t shown = 0;
    for (size_t i = 0; i < len;) {
        size_t run = 0;
        while (i + run < len && secret_alphabet(text[i + run]))
            run++;
        size_t n = run > 0 ? run : 1;
        if (shown + n > max) {
            buf_str(message, "...");
            break;
        }
        if (looks_secret(text + i, run))
            buf_str(message, "[redacted]");
        else
            buf_printable(message, text + i, n, n);
        shown += n;
        i += n;
    }
    buf_char(message, '"');
}
