/* For large static storage (16 kB and more) of which little is touched as a rule: it lies behind all other
 * variables. On arm64 those are then near enough for the short form of their addresses, in which the linker's
 * work-around for an erratum of the Cortex-A53 is free: otherwise it costs a page each time. Source: the Arm
 * Architecture Reference Manual, ADR and ADRP. */
#ifndef POD_IDENTITY_BASE_FAR_H
#define POD_IDENTITY_BASE_FAR_H

#define FAR __attribute__((section(".sbss.far"))) /* a name by which the compiler knows that it is zero */

#endif
