#include "sidecar/footprint.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* From the linker: where the file's read-only part and code begin and end. Never written to, so they can be
 * read anew. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char etext[] __attribute__((visibility("hidden")));

void footprint_trim(void) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = (uintptr_t)__ehdr_start & ~(page - 1);
    uintptr_t to = (uintptr_t)etext & ~(page - 1);
    /* A kernel that refuses changes nothing but the number in `ps`. */
    (void)madvise((void *)from, to - from, MADV_DONTNEED);
}
