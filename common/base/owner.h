/* From a member to the struct that it stands in, for callbacks that are handed the member. */
#ifndef POD_IDENTITY_BASE_OWNER_H
#define POD_IDENTITY_BASE_OWNER_H

#include <stddef.h>

/* The `type` whose `member` pointer points to. It does not compile if the pointer is of another type than the
 * member. */
#define OWNER(pointer, type, member)                                                                         \
    ((type *)(void *)((char *)(1 ? (pointer) : &((type *)0)->member) - offsetof(type, member)))

#endif
