#include "sidecar/imds.h"

#include <string.h>
#include <sys/random.h>

#include "common/base/wipe.h"
#include "common/serve/loop.h"
#include "common/text/base64url.h"
#include "common/text/hash.h"

#define TOKEN_PATH "/latest/api/token"
#define ROLES_PATH "/latest/meta-data/iam/security-credentials"
#define KEY_SIZE 32

/* When it ends, on the monotonic clock, and proof that we said so. */
struct token {
    int64_t ends_mono_ms;
    unsigned char proof[HASH_SIZE];
};
_Static_assert(BASE64URL_SIZE(sizeof(struct token)) <= REQUEST_EXTRA_MAX, "a token fits into a request");

const struct request_extras imds_headers = {
    .headers = {[IMDS_TOKEN] = {"x-aws-ec2-metadata-token", .once = true},
                [IMDS_TTL] = {"x-aws-ec2-metadata-token-ttl-seconds", .once = true},
                [IMDS_FORWARDED] = {"x-forwarded-for", .once = false}}};

static unsigned char key[KEY_SIZE]; /* one for the process, with which it ends */

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

/* -1: no number. Out of range is for the caller to judge; the largest that matters has five digits. */
static int32_t ttl_of(const char *text) {
    enum { DIGITS_MAX = 9 };
    int32_t ttl_s = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > DIGITS_MAX || text[digits] != '\0')
        return -1;
    for (size_t i = 0; i < digits; i++)
        ttl_s = ttl_s * 10 + (text[i] - '0');
    return ttl_s;
}

static const struct answer *give_token(const struct request *r) {
    struct token t;
    char text[BASE64URL_SIZE(sizeof t)], header[64];
    struct buf line = BUF(header);
    if (r->method != REQUEST_PUT)
        return answers_refuse(ANSWERS_PUT_ONLY);
    if (r->extras[IMDS_FORWARDED].present)
        return answers_refuse(ANSWERS_FORWARDED);
    const int32_t ttl_s = ttl_of(r->extras[IMDS_TTL].value);
    if (ttl_s < 1 || ttl_s > IMDS_TTL_MAX_S)
        return answers_refuse(ANSWERS_BAD_TTL);
    t.ends_mono_ms = loop_now().mono_ms + (int64_t)ttl_s * 1000;
    prove(&t);
    base64url_encode((const unsigned char *)&t, sizeof t, text);
    buf_fmt(&line, "X-aws-ec2-metadata-token-ttl-seconds: %d\r\n", (int)ttl_s);
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

/* While there are no credentials there is no role either, as on a node without one: some SDKs (the CRT) end
 * their process when a role that was named has no credentials. */
static const struct answer *name_role_if_any(void) {
    return answers_page(0, ANSWERS_INSTANCE)->status == 200 ? name_role() : answers_refuse(ANSWERS_NO_ROLE);
}

/* SDKs append to an endpoint that ends in a slash: "//latest/…" is the same. */
const struct answer *imds_pick(const struct request *r) {
    static const size_t roles_len = sizeof ROLES_PATH - 1;
    const char *path = r->path + (strncmp(r->path, "//", 2) == 0 ? 1 : 0);
    if (strcmp(path, TOKEN_PATH) == 0)
        return give_token(r);
    if (r->method != REQUEST_GET && r->method != REQUEST_HEAD)
        return answers_error(405);
    if (!token_valid(r->extras[IMDS_TOKEN].value))
        return answers_refuse(ANSWERS_NO_TOKEN);
    if (strncmp(path, ROLES_PATH, roles_len) != 0)
        return answers_error(404);
    const char *rest = path + roles_len;
    if (strcmp(rest, "") == 0 || strcmp(rest, "/") == 0)
        return name_role_if_any();
    return strcmp(rest, "/" IMDS_ROLE) == 0 ? answers_page(0, ANSWERS_INSTANCE) : answers_error(404);
}
