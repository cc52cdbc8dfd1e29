#include "common/base/pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void pages_give_back(void *start, void *end) {
    uintptr_t page = (uintptr_t)getpagesize() - 1, from = ((uintptr_t)start + page) & ~page,
              to = (uintptr_t)end & ~page;
    if (from < to)
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
}
