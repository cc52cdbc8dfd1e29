/* Connections: a fixed pool, answered in the order in which bytes come, each bounded by a deadline. */
#ifndef POD_IDENTITY_SERVER_H
#define POD_IDENTITY_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "sidecar/loop.h"
#include "sidecar/routes.h"

#define SERVER_CONNECTIONS_MAX 1024
#define SERVER_PARTIALS_MAX 64 /* requests that have begun and not ended; SDKs send theirs in one piece */
#define SERVER_LISTENERS_MAX 4
#define SERVER_DESCRIPTORS_KEPT 32 /* not for clients: listeners, the loop's own, a refresh and its files */
#define SERVER_CHUNK 2048          /* bytes read at a time */
#define SERVER_IDLE_MS 75000       /* between requests; SDKs that keep connections give them up earlier */
#define SERVER_REQUEST_MS 10000    /* from the first byte of a request to its last */
#define SERVER_WRITE_MS 10000      /* for a client to take an answer */
#define SERVER_DRAIN_MS 1000       /* after the last answer, for the client to close first */
#define SERVER_PAUSE_MS 100        /* before accepting anew when the process is out of descriptors */

/* Called before an answer is picked: what is served must be true at that moment. */
typedef void server_before(void);

void server_open(server_before *before);
/* Takes over a listening, non-blocking descriptor. routes is borrowed. false with errno. */
bool server_listen(int fd, const struct routes *routes);
/* Every answer from now on closes its connection. */
void server_last_answers(void);
/* Closes listeners and connections. */
void server_close(void);
/* For answers_open(): closes connections that still write that answer. */
void server_retire(const struct answer *answer);

#endif
