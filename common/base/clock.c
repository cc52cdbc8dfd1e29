#include "common/base/clock.h"

#include <stddef.h>
#include <time.h>

static int64_t read_ms(clockid_t id) {
    struct timespec t;
    if (clock_gettime(id, &t) != 0)
        return 0;
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct moment system_now(void) {
    return (struct moment){.mono_ms = read_ms(CLOCK_BOOTTIME), .wall_ms = read_ms(CLOCK_REALTIME)};
}

static clock_source *current = system_now;

struct moment clock_now(void) {
    return current();
}

void clock_use(clock_source *source) {
    current = source != NULL ? source : system_now;
}

int64_t clock_until(int64_t deadline_mono_ms, int64_t now_mono_ms, int64_t max_ms) {
    if (deadline_mono_ms <= now_mono_ms)
        return 0;
    if (deadline_mono_ms - now_mono_ms > max_ms)
        return max_ms;
    return deadline_mono_ms - now_mono_ms;
}
