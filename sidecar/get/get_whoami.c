#include "sidecar/get/get_whoami.h"

#include <string.h>

#include "common/base/wipe.h"
#include "sidecar/get/get_ask.h"

/* What may be missing has a text for that. */
static const struct {
    char member[16], label[14], unknown[64];
} lines[] = {{"\"Profile\":\"", "profile:", ""},
             {"\"Account\":\"", "account:", "not known"},
             {"\"Arn\":\"", "arn:", "not known; pod-identity-sidecar whoami asks STS for it"},
             {"\"UserId\":\"", "user id:", "not known"},
             {"\"Source\":\"", "source:", ""},
             {"\"Expiration\":\"", "expiration:", ""}};

/* False for what no sidecar answers: nothing of it is printed. */
static bool put_lines(const struct unix_answer *a, struct buf *out) {
    bool ok = a->body_len > 2 && a->body[0] == '{' && a->body[a->body_len - 1] == '}';
    for (size_t i = 0; i < a->body_len; i++)
        ok = ok && a->body[i] > ' ' && a->body[i] <= '~';
    for (size_t i = 0; ok && i < sizeof lines / sizeof lines[0]; i++) {
        size_t len = strlen(lines[i].unknown);
        const char *value = get_member(a, lines[i].member, &len);
        if (value == NULL)
            value = lines[i].unknown;
        ok = *value != '\0';
        buf_fmt(out, "%-12s %.*s\n", lines[i].label, (int)len, value);
    }
    return ok;
}

bool get_whoami(const struct get_config *config, struct buf *out, struct buf *problem) {
    static struct unix_answer answer;
    char text[INI_PROFILE_MAX + 32];
    struct buf path = BUF(text);
    buf_str(&path, "/v1/identity");
    if (config->profile[0] != '\0')
        buf_fmt(&path, "/%s", config->profile);
    bool ok = get_ask(config, text, &answer, problem);
    if (ok && !put_lines(&answer, out)) {
        buf_fmt(problem, "the answer from %s names no identity: no sidecar listens there that knows it",
                config->socket);
        ok = false;
    } else if (ok && config->json) {
        buf_reset(out);
        buf_fmt(out, "%.*s\n", (int)answer.body_len, answer.body);
    }
    wipe(&answer, sizeof answer);
    return ok;
}
