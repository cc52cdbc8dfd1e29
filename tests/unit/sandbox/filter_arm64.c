/* The filter of the other architecture, built here with its numbers, so that its logic is tested too. */
#define __ARCH_WANT_RENAMEAT
#define __ARCH_WANT_NEW_STAT
#define __ARCH_WANT_SET_GET_RLIMIT
#define __ARCH_WANT_SYS_CLONE3
#include <asm-generic/unistd.h>

#define SANDBOX_FILTER_NUMBERS
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#define sandbox_filter sandbox_filter_arm64
#include "common/sandbox/sandbox_filter.c"
