/* The commands of the sidecar. Each returns the program's exit status. */
#ifndef POD_IDENTITY_SERVE_H
#define POD_IDENTITY_SERVE_H

#include "common/base/failure.h"
#include "sidecar/config.h"

#define EXIT_NO_SANDBOX 71    /* --sandbox=require, and a part cannot be had (EX_OSERR) */
#define EXIT_CANNOT_CREATE 73 /* a socket, address or file that cannot be had (EX_CANTCREAT) */

/* What the server gets of storage. */
#define SERVE_PLACES 1024         /* for connections */
#define SERVE_PARTIALS 64         /* requests begun and not ended; SDKs send theirs in one piece */
#define SERVE_DESCRIPTORS_KEPT 32 /* not for clients: listeners, the loop's own, a refresh and its files */
#define SERVE_UPSTREAM_SOCKETS 8  /* of a transfer: its connection, its rival, and the resolver */

int serve(const struct config *config);
int once(const struct config *config);
int probe(const struct config *config);
int whoami(const struct config *config);

/* getenv() with the constness that injection.h asks for. */
const char *environment(const char *name);

/* One line on stderr, "pod-identity-sidecar: REASON: message. Remedy: …". Returns the reason as exit status.
 */
int complain_failure(const struct failure *failure);
int complain(int status, const char *text);

#endif
