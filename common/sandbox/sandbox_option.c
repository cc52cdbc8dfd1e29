#include "common/sandbox/sandbox_option.h"

bool sandbox_take_mode(void *place, const char *value, struct buf *problem) {
    static const char *const names[] = {"auto", "require", "off", NULL};
    size_t index;
    if (!option_choice(value, names, &index, problem))
        return false;
    *(enum sandbox_mode *)place = (enum sandbox_mode)index;
    return true;
}
