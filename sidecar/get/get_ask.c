#include "sidecar/get/get_ask.h"

#include <string.h>

/* Without a JSON parser: what a sidecar answers begins and ends so, and an SDK must not be handed anything
 * else. */
static bool looks_right(const struct unix_answer *a) {
    static const char start[] = "{\"Version\":1,\"AccessKeyId\":\"", end[] = "\"}";
    return a->body_len >= sizeof start + sizeof end && memcmp(a->body, start, sizeof start - 1) == 0 &&
           memcmp(a->body + a->body_len - 2, end, 2) == 0 && memchr(a->body, '\0', a->body_len) == NULL;
}

const char *get_member(const struct unix_answer *a, const char *member, size_t *len) {
    const char *at = strstr(a->body, member);
    if (at == NULL)
        return NULL;
    at += strlen(member);
    size_t found = strcspn(at, "\"\\");
    if (found == 0 || at[found] != '"')
        return NULL;
    *len = found;
    return at;
}

bool get_ask(const struct get_config *config, const char *path, struct unix_answer *out,
             struct buf *problem) {
    if (!unix_client_get(config->socket, path, out, problem))
        return false;
    if (out->status != 200)
        unix_client_explain(out, problem);
    return out->status == 200;
}

bool get_ask_credentials(const struct get_config *config, struct unix_answer *out, struct buf *problem) {
    char text[INI_PROFILE_MAX + 32];
    struct buf path = BUF(text);
    buf_str(&path, "/v1/credential-process");
    if (config->profile[0] != '\0')
        buf_fmt(&path, "/%s", config->profile);
    if (!get_ask(config, text, out, problem))
        return false;
    if (looks_right(out))
        return true;
    buf_fmt(problem, "the answer from %s is not credential_process JSON: no sidecar listens there",
            config->socket);
    return false;
}
