/* What every program of the project does to its own process before anything else. */
#ifndef POD_IDENTITY_BASE_PROCESS_H
#define POD_IDENTITY_BASE_PROCESS_H

/* No core dump, no debugger, no other process of the same user may look inside: credentials live here.
 * Standard streams that are closed become /dev/null, so that no file or socket takes their place and gets
 * what is meant for them. A reader that has gone is an error of write(), not the end. */
void process_harden(void);

#endif
