#include "agent/pod_key.h"

#include <string.h>

struct keyed_hash pod_key_of_token(const char *token, size_t len) {
    return keyed_hash('t', token, len);
}

struct keyed_hash pod_key(const struct jwt_claims *claims, const struct keyed_hash *token) {
    if (claims->pod_uid[0] == '\0')
        return *token;
    return keyed_hash('p', claims->pod_uid, strlen(claims->pod_uid));
}

uint32_t pod_key_space(const struct jwt_claims *claims) {
    struct keyed_hash hash = keyed_hash('n', claims->namespace, strlen(claims->namespace));
    return keyed_hash_bits(&hash);
}
