#include "sidecar/get/get_token.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/wipe.h"
#include "sidecar/get/get_ask.h"

#define PATH_MAX_LEN 1100 /* more than the sidecar takes, so that it says what is too long */

static void put_encoded(struct buf *out, const char *text) {
    static const char hex[] = "0123456789ABCDEF",
                      plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL) {
            buf_char(out, *text);
        } else {
            const char escaped[3] = {'%', hex[(unsigned char)*text >> 4], hex[(unsigned char)*text & 15]};
            buf_put(out, escaped, sizeof escaped);
        }
    }
}

static void put_parameter(struct buf *out, const char *name, const char *value) {
    if (*value == '\0')
        return;
    buf_char(out, memchr(out->data, '?', out->len) == NULL ? '?' : '&');
    buf_fmt(out, "%s=", name);
    put_encoded(out, value);
}

/* What kubectl wants back is what it asked for; without a wish, as the AWS CLI. */
static const char *api_version(void) {
    const char *info = getenv("KUBERNETES_EXEC_INFO");
    return info != NULL && strstr(info, "\"client.authentication.k8s.io/v1\"") != NULL ? "v1" : "v1beta1";
}

/* The head is still in front of the body. "" if there is no such line. */
static const char *expiration(const struct unix_answer *a, size_t *len) {
    static const char name[] = "\r\nX-Token-Expiration: ";
    const char *at = strstr(a->bytes, name);
    if (at == NULL || at > a->body)
        return NULL;
    at += sizeof name - 1;
    *len = strcspn(at, "\r");
    return at;
}

static bool visible(const struct unix_answer *a) {
    for (size_t i = 0; i < a->body_len; i++) {
        if (a->body[i] <= ' ' || a->body[i] > '~' || a->body[i] == '"' || a->body[i] == '\\')
            return false;
    }
    return a->body_len > 0;
}

bool get_token(const struct get_config *c, const char *kind, struct buf *out, struct buf *problem) {
    static struct unix_answer answer;
    char text[PATH_MAX_LEN];
    struct buf path = BUF(text);
    size_t len = 0;
    buf_str(&path, "/v1/token/");
    put_encoded(&path, kind);
    put_parameter(&path, "name", c->profile);
    put_parameter(&path, "host", c->host);
    put_parameter(&path, "port", c->port);
    put_parameter(&path, "user", c->user);
    put_parameter(&path, "cache", c->cache);
    put_parameter(&path, "cluster", c->cluster);
    put_parameter(&path, "region", c->region);
    put_parameter(&path, "serverless", c->serverless ? "true" : "");
    if (path.overflow) {
        buf_str(problem, "the parameters are too long together");
        return false;
    }
    bool ok = get_ask(c, text, &answer, problem);
    const char *ends = ok ? expiration(&answer, &len) : NULL;
    if (ok && (ends == NULL || !visible(&answer))) {
        buf_fmt(problem, "the answer from %s is no token: no sidecar listens there that knows them",
                c->socket);
        ok = false;
    }
    if (ok && strcmp(kind, "eks") == 0)
        buf_fmt(out,
                "{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/%s\",\"spec\":{},"
                "\"status\":{\"expirationTimestamp\":\"%.*s\",\"token\":\"%.*s\"}}\n",
                api_version(), (int)len, ends, (int)answer.body_len, answer.body);
    else if (ok)
        buf_fmt(out, "%.*s\n", (int)answer.body_len, answer.body);
    wipe(&answer, sizeof answer);
    return ok;
}
