#include "sidecar/imds.h"

#include <string.h>
#include <sys/random.h>

#include "common/base/wipe.h"
#include "common/text/base64url.h"
#include "common/text/hash.h"
#include "sidecar/loop.h"

#define TOKEN_PATH "/latest/api/token"
#define ROLES_PATH "/latest/meta-data/iam/security-credentials"
#define KEY_SIZE 32

/* When it ends, on the monotonic clock, and proof that we said so. */
struct token {
    int64_t ends_mono_ms;
    unsigned char proof[HASH_SIZE];
};
_Static_assert(BASE64URL_SIZE(sizeof(struct token)) <= REQUEST_METADATA_TOKEN_MAX,
               "a token fits into a request");

static unsigned char key[KEY_SIZE];

bool imds_open(void) {
    return getrandom(key, sizeof key, 0) == sizeof key;
}

void imds_wipe(void) {
    wipe(key, sizeof key);
}

static void prove(struct token *t) {
    hash_hmac(key, sizeof key, &t->ends_mono_ms, sizeof t->ends_mono_ms, t->proof);
}

static bool token_valid(const char *text) {
    struct token given, ours;
    size_t len = 0;
    if (base64url_decode(text, strlen(text), (unsigned char *)&given, sizeof given, &len) != ERR_OK ||
        len != sizeof given)
        return false;
    ours.ends_mono_ms = given.ends_mono_ms;
    prove(&ours);
    bool ours_indeed = secret_equal(given.proof, sizeof given.proof, ours.proof, sizeof ours.proof);
    wipe(&ours, sizeof ours);
    return ours_indeed && loop_now().mono_ms < given.ends_mono_ms;
}

static const struct answer *give_token(const struct request *r) {
    struct token t;
    char text[BASE64URL_SIZE(sizeof t)], header[64];
    struct buf line = BUF(header);
    if (r->method != REQUEST_PUT)
        return answers_refuse(ANSWERS_PUT_ONLY);
    if (r->forwarded)
        return answers_refuse(ANSWERS_FORWARDED);
    if (r->metadata_ttl_s < 1 || r->metadata_ttl_s > IMDS_TTL_MAX_S)
        return answers_refuse(ANSWERS_BAD_TTL);
    t.ends_mono_ms = loop_now().mono_ms + (int64_t)r->metadata_ttl_s * 1000;
    prove(&t);
    base64url_encode((const unsigned char *)&t, sizeof t, text);
    buf_fmt(&line, "X-aws-ec2-metadata-token-ttl-seconds: %d\r\n", (int)r->metadata_ttl_s);
    struct buf body = answers_moment_begin();
    buf_str(&body, text);
    wipe(text, sizeof text);
    return answers_moment_end(&body, header);
}

static const struct answer *name_role(void) {
    struct buf body = answers_moment_begin();
    buf_str(&body, IMDS_ROLE);
    return answers_moment_end(&body, "");
}

const struct answer *imds_pick(const struct request *r) {
    static const size_t roles_len = sizeof ROLES_PATH - 1;
    if (strcmp(r->path, TOKEN_PATH) == 0)
        return give_token(r);
    if (r->method != REQUEST_GET && r->method != REQUEST_HEAD)
        return answers_error(405);
    if (!token_valid(r->metadata_token))
        return answers_refuse(ANSWERS_NO_TOKEN);
    if (strncmp(r->path, ROLES_PATH, roles_len) != 0)
        return answers_error(404);
    const char *rest = r->path + roles_len;
    if (strcmp(rest, "") == 0 || strcmp(rest, "/") == 0)
        return name_role();
    return strcmp(rest, "/" IMDS_ROLE) == 0 ? answers_page(0, ANSWERS_INSTANCE) : answers_error(404);
}
