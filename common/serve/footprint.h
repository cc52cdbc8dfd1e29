/* What the process keeps resident between two refreshes. */
#ifndef POD_IDENTITY_SERVE_FOOTPRINT_H
#define POD_IDENTITY_SERVE_FOOTPRINT_H

/* Once, at the start. */
void footprint_open(void);

/* Lets the kernel take back the pages of code that only start-up and fetching needed (libcurl, TLS, the
 * parsers): some 250 kB for each pod of a node. What is needed again is mapped again from the page cache.
 * So do the pages of the stack below the caller, and those of what is marked SCRATCH: for callers at the
 * loop, below which no call is under way. */
void footprint_trim(void);

#endif
