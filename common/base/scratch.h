/* For static storage that belongs to one call, and is too large for the stack; there is one thread. Nothing
 * in it is read after the call. It lies together, so that its pages can go back to the kernel while no such
 * call is under way: footprint_trim() (common/serve/footprint.h) does it, from the loop. So it is not for
 * what a callback of the loop finds again. */
#ifndef POD_IDENTITY_BASE_SCRATCH_H
#define POD_IDENTITY_BASE_SCRATCH_H

/* Names by which the compiler knows that it is zero. */
#define SCRATCH __attribute__((section(".sbss.scratch")))
#define FAR_SCRATCH __attribute__((section(".sbss.scratch.far"))) /* what far.h says holds for it, too */

#endif
