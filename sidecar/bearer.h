/* The bearer of the loopback endpoint. */
#ifndef POD_IDENTITY_SIDECAR_BEARER_H
#define POD_IDENTITY_SIDECAR_BEARER_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/text/secrets.h"
#include "sidecar/config.h"

struct bearer {
    char text[ROUTES_BEARER_MAX];
    char path[CONFIG_PATH_MAX]; /* of the file that was written, "" if none */
    gid_t group;                /* of that file */
    bool generated;
    struct secret_holder secret; /* no message shows the bearer */
};

/* The bearer of that profile, or, for ANSWERS_ALL, the sidecar's. The fixed one if there is one, else a new
 * one of 256 random bits: also after a crash, as whoever took the port meanwhile was sent the old one.
 * Publishes the file, mode 0640, with that group (or (gid_t)-1), unless the bearer is fixed and no file was
 * asked for. text is "" if there is none: a profile that has no file of its own, or a sidecar that has
 * neither file nor socket. */
bool bearer_open(const struct config *config, size_t owner, gid_t group, struct bearer *out,
                 struct buf *problem);

/* Writes the file again, as somebody may have removed or changed it. True if there is none to write. */
bool bearer_publish(const struct bearer *bearer, struct buf *problem);

/* Removes a generated bearer's file, and wipes. */
void bearer_close(struct bearer *bearer);

#endif
