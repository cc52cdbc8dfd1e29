/* The certificates in use, and those that handshakes still need after they were replaced. */
#ifndef POD_IDENTITY_SERVE_TLS_SLOTS_H
#define POD_IDENTITY_SERVE_TLS_SLOTS_H

#include "common/base/failure.h"
#include "common/serve/tls_identity.h"

enum tls_slots_loaded { TLS_SLOTS_LOADED, TLS_SLOTS_REFUSED, TLS_SLOTS_BUSY };

/* Puts new ones into use. REFUSED: f says why. BUSY: handshakes still need all that was replaced before. */
enum tls_slots_loaded tls_slots_load(const struct tls_server_files *files, struct failure *f);
/* What is in use, or NULL. */
struct tls_identity *tls_slots_current(void);
/* A handshake begins with what is in use, and ends: what nobody needs any more is wiped. */
struct tls_identity *tls_slots_enter(void);
void tls_slots_leave(struct tls_identity *identity);
void tls_slots_wipe(void);

#endif
