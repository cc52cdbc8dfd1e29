/* What every program of the project does to its own process before anything else. */
#ifndef POD_IDENTITY_BASE_PROCESS_H
#define POD_IDENTITY_BASE_PROCESS_H

/* No core dump, no debugger, no other process of the same user may look inside: credentials live here.
 * Standard streams that are closed become /dev/null, so that no file or socket takes their place and gets
 * what is meant for them. A reader that has gone is an error of write(), not the end. */
void process_harden(void);

/* For programs with much static storage of which little is touched: the kernel gives them pages as they are
 * used, and not 2 MiB at a time, as it does where /sys/kernel/mm/transparent_hugepage/enabled is "always".
 * They begin here, by the linker's option -e, and then as any other. A program that this one becomes by exec
 * would inherit it. */
void process_entry(void);

#endif
