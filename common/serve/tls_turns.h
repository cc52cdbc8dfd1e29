/* Connections that have bytes for which no event of the descriptor will come: each has a turn at the end of
 * the round. */
#ifndef POD_IDENTITY_SERVE_TLS_TURNS_H
#define POD_IDENTITY_SERVE_TLS_TURNS_H

#include "common/serve/tls_link.h"

void tls_turns_open(void);
/* Unless it is there already. */
void tls_turns_append(struct tls_link *link);
/* It is there. */
void tls_turns_take_out(struct tls_link *link);

#endif
