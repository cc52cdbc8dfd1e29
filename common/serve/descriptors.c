#include "common/serve/descriptors.h"

#include <sys/resource.h>

size_t descriptors_for_clients(size_t max, size_t kept) {
    const rlim_t wanted = (rlim_t)max + kept;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return max;
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (prlimit(0, RLIMIT_NOFILE, &limit, NULL) != 0)
        limit.rlim_cur = before;
    return limit.rlim_cur > kept ? (size_t)(limit.rlim_cur - kept) : 1;
}
