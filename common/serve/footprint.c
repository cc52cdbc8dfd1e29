#include "common/serve/footprint.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* From the linker script: where the file's read-only part begins, where code begins that no request needs,
 * and where code ends. None of it is ever written to, so it can be read anew. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char cold_code[] __attribute__((visibility("hidden")));
extern const char etext[] __attribute__((visibility("hidden")));

static uintptr_t page_before(const char *address) {
    return (uintptr_t)address & ~((uintptr_t)getpagesize() - 1);
}

static void advise(const char *from, const char *to, int advice) {
    uintptr_t start = page_before(from);
    /* A kernel that refuses changes nothing but the number in `ps`. */
    (void)madvise((void *)start, page_before(to) - start, advice);
}

/* A page fault brings in its neighbours too, as far as the mapping goes: a flag of its own (any would do;
 * there are no core dumps) makes the cold code a mapping of its own, that faults in the warm code leave
 * alone. The page in which both lie is warm. */
void footprint_open(void) {
    advise(cold_code + getpagesize() - 1, etext, MADV_DONTDUMP);
}

void footprint_trim(void) {
    advise(__ehdr_start, etext, MADV_DONTNEED);
}
