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
