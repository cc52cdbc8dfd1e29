/* Pages of storage that is seldom used: they go back to the kernel after a flood. */
#ifndef POD_IDENTITY_BASE_PAGES_H
#define POD_IDENTITY_BASE_PAGES_H

/* What lies between them is no longer needed, and reads as zero from now on, but for what shares a page with
 * something else: that stays as it is. For memory of this process alone (static storage, the stack below its
 * last frame). */
void pages_give_back(void *start, void *end);

#endif
