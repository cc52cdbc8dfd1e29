/* For large static storage (16 kB and more) of which little is touched as a rule: it lies behind all other
 * variables. It begins on a page, so that how many pages its beginning touches does not depend on what lies
 * before it. On arm64 those are then near enough for the short form of their addresses, in which the linker's
 * work-around for an erratum of the Cortex-A53 is free: otherwise it costs a page each time. Source: the Arm
 * Architecture Reference Manual, ADR and ADRP. */
#ifndef POD_IDENTITY_BASE_FAR_H
#define POD_IDENTITY_BASE_FAR_H

#define FAR                                                                                                  \
    __attribute__((section(".sbss.far"),                                                                     \
                   aligned(4096))) /* a name by which the compiler knows that it is zero */

/* The same where every use is by FAR_ADDRESS(), which needs no other code than this. */
#define FAR_BY_ADDRESS FAR
#ifdef __aarch64__
#define FAR_ADDRESS(variable)                                                                                \
    __extension__({                                                                                          \
        __typeof__(&(variable)) at_;                                                                         \
        __asm__("adrp %0, %1\n\tadd %0, %0, :lo12:%1" : "=r"(at_) : "S"(&(variable)));                       \
        at_;                                                                                                 \
    })
#else
#define FAR_ADDRESS(variable) (&(variable))
#endif

/* Code of files that have no such storage of their own expects all addresses within 1 MiB (the Makefile's
 * NEAR): an address there takes one instruction. What is handed to a function of theirs goes through here,
 * since the compiler, which sees all files together, would write a constant address into that function; the
 * linker then says "relocation truncated to fit … against `.sbss.far'". */
static inline void *far_hidden(void *address) {
    __asm__("" : "+r"(address));
    return address;
}

#endif
