/* What the process keeps resident between two refreshes. */
#ifndef POD_IDENTITY_FOOTPRINT_H
#define POD_IDENTITY_FOOTPRINT_H

/* Lets the kernel take back the pages of code that only start-up and fetching needed (libcurl, TLS, the
 * parsers): some 300 kB for each pod of a node. What is needed again is mapped again from the page cache, at
 * one page fault for 64 kB. */
void footprint_trim(void);

#endif
