/* Connections that are kept, and say nothing for a while: of what each has taken of its room, all is given
 * back but 8 KiB, until it goes on. */
#ifndef POD_IDENTITY_SERVE_TLS_REST_H
#define POD_IDENTITY_SERVE_TLS_REST_H

#include "common/serve/tls_link.h"
#include "common/serve/tls_room.h"

#define TLS_REST_MS 1000 /* behind its last answer */

/* Of as many rooms as there are. They are borrowed. */
void tls_rest_open(const struct tls_room *rooms);
/* The connection with that room was answered. */
void tls_rest_soon(const struct tls_link *link);

#endif
