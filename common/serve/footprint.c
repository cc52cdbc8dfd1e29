#include "common/serve/footprint.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/far.h"
#include "common/base/pages.h"

/* Further below us no call ever was; no other mapping is as near to the stack, by what the kernel leaves
 * free. */
#define STACK_DEPTH (512 * 1024)

/* From the linker script: where the file's read-only part begins, where code begins that no request needs,
 * and where code ends. None of it is ever written to, so it can be read anew. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char cold_code[] __attribute__((visibility("hidden")));
extern const char etext[] __attribute__((visibility("hidden")));
/* From there as well: what common/base/scratch.h says. */
extern char scratch_start[] __attribute__((visibility("hidden")));
extern char scratch_end[] __attribute__((visibility("hidden")));

static uintptr_t page_before(const char *address) {
    return (uintptr_t)address & ~((uintptr_t)getpagesize() - 1);
}

static void advise(const char *from, const char *to, int advice) {
    uintptr_t start = page_before(from);
    /* A kernel that refuses changes nothing but the number in `ps`. */
    (void)madvise((void *)start, page_before(to) - start, advice);
}

/* The last page of code has nothing else in it: the next segment begins on one of its own. */
static const char *code_end(void) {
    return etext + getpagesize() - 1;
}

/* A page fault brings in its neighbours too, as far as the mapping goes: a flag of its own (any would do;
 * there are no core dumps) makes the cold code a mapping of its own, that faults in the warm code leave
 * alone. The page in which both lie is warm. */
void footprint_open(void) {
    advise(cold_code + getpagesize() - 1, code_end(), MADV_DONTDUMP);
}

/* What deep calls left behind. The page below ours stays, for the calls from here. */
static void trim_stack(void) {
    char *here = __builtin_frame_address(0);
    pages_give_back(here - STACK_DEPTH, here - getpagesize());
}

void footprint_trim(void) {
    advise(__ehdr_start, code_end(), MADV_DONTNEED);
    pages_give_back(FAR_ADDRESS(scratch_start), FAR_ADDRESS(scratch_end));
    trim_stack();
}
