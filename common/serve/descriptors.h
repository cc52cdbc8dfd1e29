/* How many file descriptors clients may take: the limit of a container may be low, and they must leave some
 * to the refresh. */
#ifndef POD_IDENTITY_SERVE_DESCRIPTORS_H
#define POD_IDENTITY_SERVE_DESCRIPTORS_H

#include <stddef.h>

/* At most max, at least 1; kept are left over. Raises the process's soft limit if it is lower than both
 * together and the hard one allows it. */
size_t descriptors_for_clients(size_t max, size_t kept);

#endif
