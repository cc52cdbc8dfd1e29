/* By what the agent knows tokens, pods and namespaces: keyed hashes, so that nobody can choose one. No I/O.
 */
#ifndef POD_IDENTITY_AGENT_POD_KEY_H
#define POD_IDENTITY_AGENT_POD_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "agent/keyed_hash.h"
#include "common/pod/jwt.h"

struct keyed_hash pod_key_of_token(const char *token, size_t len);

/* A pod is known by its UID, so that its next token leads to the same entry; a token that names no pod is
 * known by itself. */
struct keyed_hash pod_key(const struct jwt_claims *claims, const struct keyed_hash *token);

/* Of the namespace. */
uint32_t pod_key_space(const struct jwt_claims *claims);

#endif
