/* Reading a service account token, afresh and by path each time.
 *
 * The kubelet publishes a token as ".../token -> ..data/token" and replaces "..data" by a rename, so a path
 * may fail to resolve for an instant: ENOENT is tried again before it is believed. Source: Kubernetes
 * pkg/volume/util/atomic_writer.go. */
#ifndef POD_IDENTITY_POD_TOKEN_FILE_H
#define POD_IDENTITY_POD_TOKEN_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/failure.h"

#define TOKEN_FILE_MAX 65536 /* tokens have one to two kB; STS refuses more than 20,000 */

struct token {
    char text[TOKEN_FILE_MAX + 1];
    size_t len;
};

/* Reads the file into *out (zero, or filled by an earlier call, which is wiped), without one trailing newline
 * (LF or CRLF). On a failure *out is wiped and *failure says why (REASON_TOKEN_UNREADABLE, with uid, gid,
 * owner and mode where permissions are the cause; REASON_TOKEN_INVALID for a control character, which no HTTP
 * header can carry). */
enum reason token_file_read(const char *path, struct token *out, struct failure *failure);

/* Whether there is anything at that path, readable or not. */
bool token_file_there(const char *path);

/* Overwrites what token_file_read() put there. */
void token_wipe(struct token *token);

#endif
