#include "common/base/log_options.h"

bool log_take_level(void *place, const char *value, struct buf *problem) {
    static const char *const names[] = {"error", "warn", "info", "debug", NULL};
    size_t index;
    if (!option_choice(value, names, &index, problem))
        return false;
    *(enum log_level *)place = (enum log_level)index;
    return true;
}

bool log_take_format(void *place, const char *value, struct buf *problem) {
    static const char *const names[] = {"text", "json", NULL};
    size_t index;
    if (!option_choice(value, names, &index, problem))
        return false;
    *(enum log_format *)place = (enum log_format)index;
    return true;
}
