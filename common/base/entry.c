/* Where a program begins that takes small pages (see process.h): the Makefile names process_entry to the
 * linker.
 *
 * The C library writes to storage of its own before main(), which lies among ours: where huge pages are on
 * for all, that could already be 2 MiB. So the kernel is asked first: prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0),
 * with nothing touched but registers that hold nothing at this point, and then the C library begins as ever.
 * A kernel without huge pages refuses, and has none. Not optimized with the rest at link time, which does not
 * see through this. */
#include "common/base/process.h"

#ifdef __x86_64__
#define ASK                                                                                                  \
    "	mov $157, %eax\n"                                                                                      \
    "	mov $41, %edi\n"                                                                                       \
    "	mov $1, %esi\n"                                                                                        \
    "	xor %edx, %edx\n"                                                                                      \
    "	xor %r10d, %r10d\n"                                                                                    \
    "	xor %r8d, %r8d\n"                                                                                      \
    "	syscall\n"                                                                                             \
    "	jmp _start\n"
#elif defined __aarch64__
#define ASK                                                                                                  \
    "	mov x8, #167\n"                                                                                        \
    "	mov x0, #41\n"                                                                                         \
    "	mov x1, #1\n"                                                                                          \
    "	mov x2, #0\n"                                                                                          \
    "	mov x3, #0\n"                                                                                          \
    "	mov x4, #0\n"                                                                                          \
    "	svc #0\n"                                                                                              \
    "	b _start\n"
#endif

__asm__(".section .text.process_entry,\"ax\",%progbits\n"
        ".globl process_entry\n"
        ".type process_entry, %function\n"
        "process_entry:\n" ASK ".size process_entry, . - process_entry\n"
        ".text\n");
