/* A client of the sidecar's Unix socket: one request, no library. */
#ifndef POD_IDENTITY_SERVE_UNIX_CLIENT_H
#define POD_IDENTITY_SERVE_UNIX_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"

#define UNIX_CLIENT_ANSWER_MAX 16384 /* above the 10,000 bytes of the largest answer and its head */
#define UNIX_CLIENT_REQUEST_MAX 1280 /* its target has 1024 bytes at most */
#define UNIX_CLIENT_TIMEOUT_MS                                                                               \
    5000 /* for all of it: the sidecar answers from memory, and an SDK waits for us */
#define UNIX_CLIENT_PROBLEM_MAX 2560

struct unix_answer {
    int status;
    const char *body; /* into bytes */
    size_t body_len;
    char bytes[UNIX_CLIENT_ANSWER_MAX];
};

/* GETs the path. True for a whole answer, whatever its status; false with one line that says what was tried
 * and what came back. The caller wipes *out. */
bool unix_client_get(const char *socket_path, const char *path, struct unix_answer *out, struct buf *problem);

/* For an answer that is no 200: its message, taken out of the JSON, or the body as it is. */
void unix_client_explain(const struct unix_answer *answer, struct buf *out);

#endif
