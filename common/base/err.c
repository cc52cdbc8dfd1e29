#include "common/base/err.h"

const char *err_text(enum err e) {
    switch (e) {
    case ERR_OK:
        return "no error";
    case ERR_SYNTAX:
        return "bad syntax";
    case ERR_TOO_LONG:
        return "too long";
    case ERR_TOO_DEEP:
        return "nested too deeply";
    case ERR_MISSING:
        return "missing";
    case ERR_EMPTY:
        return "empty";
    case ERR_TYPE:
        return "of the wrong type";
    case ERR_RANGE:
        return "out of range";
    case ERR_CONTROL:
        return "holds a control character";
    case ERR_NOT_FILE:
        return "not a regular file";
    case ERR_SYSTEM:
        return "a system call failed";
    }
    return "unknown error";
}
