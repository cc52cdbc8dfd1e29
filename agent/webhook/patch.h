/* A JSON patch (RFC 6902) as it is built: operations `add`, in the order in which they are applied. No I/O.
 */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_PATCH_H
#define POD_IDENTITY_AGENT_WEBHOOK_PATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/json_scan.h"
#include "common/base/buf.h"

/* Over the caller's storage: "" at first, "[…]" at the end. Whether all of it fitted, out->overflow says. */
struct patch {
    struct buf *out;
};

/* path: a JSON pointer that needs no escaping beyond what it has. Then the value is written to patch->out. */
void patch_op(struct patch *patch, const char *path);
void patch_op_end(struct patch *patch);
/* Closes the list of operations. False: there is none. */
bool patch_end(struct patch *patch);

/* What is added to a list: to one of the pod by operations, or to one within an object that is being written.
 */
struct additions {
    struct patch *patch;
    const char *path;       /* of the list; NULL: it is written in place, as member `name` */
    const char *name;       /* of a member, where path is NULL */
    struct json_span there; /* the list as it is; len is 0: there is none */
    bool first;             /* the new elements come before those, the last one first */
    bool begun;
};

/* Begins an element, to be written to the buffer that it returns. */
struct buf *additions_next(struct additions *a);
void additions_done(struct additions *a); /* with that element */
void additions_end(struct additions *a);  /* with all of them */

#endif
