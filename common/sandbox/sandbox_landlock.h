/* Landlock: which files and TCP ports the sidecar may still open, as far as the running kernel can say no. */
#ifndef POD_IDENTITY_SANDBOX_SANDBOX_LANDLOCK_H
#define POD_IDENTITY_SANDBOX_SANDBOX_LANDLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

enum sandbox_access {
    SANDBOX_READ,        /* a file, or a directory with all that is in it */
    SANDBOX_READ_BESIDE, /* the directory of that file: links and renames in it are followed */
    SANDBOX_WRITE_BESIDE /* files in the directory of that file: read, made, replaced, removed */
};

struct sandbox_path {
    const char *path; /* absolute, borrowed; what is not there is left out (READ), or counts for the nearest
                         directory above that is (BESIDE), unless that is the root */
    enum sandbox_access access;
};

#define SANDBOX_PORTS_MAX 4

struct sandbox_rules {
    struct sandbox_path *paths; /* the caller's storage… */
    size_t path_max;            /* …for so many */
    size_t path_count;
    bool overflow;                     /* there were more: the rules are not complete */
    uint16_t ports[SANDBOX_PORTS_MAX]; /* that may be connected to by TCP */
    size_t port_count;                 /* 0: any */
    bool may_signal;                   /* processes outside */
    bool may_resolve;                  /* names: send datagrams */
};

/* What a kernel of this ABI is told to deny unless a rule allows it. */
struct sandbox_masks {
    uint64_t files, ports, scopes;
};
struct sandbox_masks sandbox_landlock_masks(int abi, const struct sandbox_rules *rules);

/* The rights of an access within the masks; for something that is no directory, only those of files. */
uint64_t sandbox_landlock_rights(enum sandbox_access access, uint64_t handled, bool directory);

/* Needs no_new_privs. The ABI in force, or 0 with problem, and then nothing is denied. */
int sandbox_landlock(const struct sandbox_rules *rules, struct buf *problem);

#endif
