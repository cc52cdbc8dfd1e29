/* Tokens. The input is a token as it is; and it is the claims of a token that is sound otherwise, because
 * base64url would hide the JSON from the fuzzer. */
#include "tests/fuzz/fuzz.h"

#include "common/pod/jwt.h"
#include "common/text/base64url.h"

#define CLAIMS_TRIED 20000

static struct jwt_claims claims, again;

static void check_claims(const struct jwt_claims *c) {
    HOLDS(c->audience_count <= JWT_AUDIENCES_MAX);
    HOLDS(memchr(c->issuer, '\0', sizeof c->issuer) != NULL);
    HOLDS(memchr(c->subject, '\0', sizeof c->subject) != NULL);
    HOLDS(memchr(c->namespace, '\0', sizeof c->namespace) != NULL);
    HOLDS(memchr(c->service_account, '\0', sizeof c->service_account) != NULL);
    HOLDS(memchr(c->pod, '\0', sizeof c->pod) != NULL);
    HOLDS(memchr(c->pod_uid, '\0', sizeof c->pod_uid) != NULL);
    for (size_t i = 0; i < c->audience_count; i++) {
        HOLDS(memchr(c->audiences[i], '\0', sizeof c->audiences[i]) != NULL);
        HOLDS(jwt_has_audience(c, c->audiences[i]));
    }
}

static enum err inspect(const char *token, size_t len) {
    const char *wrong = NULL;
    enum err e = jwt_inspect_unverified(token, len, &claims, &wrong);
    if (e != ERR_OK) {
        HOLDS(wrong != NULL);
        return e;
    }
    check_claims(&claims);
    HOLDS(jwt_inspect_unverified(token, len, &again, NULL) == ERR_OK);
    HOLDS(memcmp(&claims, &again, sizeof claims) == 0);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char token[BASE64URL_SIZE(CLAIMS_TRIED) + 16];
    inspect((const char *)data, size);
    if (size > CLAIMS_TRIED)
        return 0;
    memcpy(token, "e30.", 4);
    base64url_encode(data, size, token + 4);
    strcat(token, ".AA");
    inspect(token, strlen(token));
    return 0;
}
