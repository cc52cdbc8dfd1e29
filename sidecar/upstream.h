/* Lets the event loop drive the HTTP client. */
#ifndef POD_IDENTITY_UPSTREAM_H
#define POD_IDENTITY_UPSTREAM_H

#include <stdbool.h>

/* After loop_open(). False if there is no memory. */
bool upstream_open(void);

#endif
