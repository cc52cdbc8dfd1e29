/* Listeners, and the exchange on each connection: requests are answered in the order in which they come. */
#ifndef POD_IDENTITY_SERVER_H
#define POD_IDENTITY_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "sidecar/loop.h"
#include "sidecar/routes.h"

#define SERVER_LISTENERS_MAX 4
#define SERVER_DESCRIPTORS_KEPT 32 /* not for clients: listeners, the loop's own, a refresh and its files */
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
