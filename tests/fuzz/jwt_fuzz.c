/* Service account tokens: whatever comes, the claims are bounded text, and base64url is strict. */
#include "tests/fuzz/fuzz.h"

#include "common/base64url.h"
#include "common/jwt.h"

static void terminated(const char *text) {
    HOLDS(memchr(text, '\0', JWT_TEXT_MAX) != NULL);
}

static void token(const uint8_t *data, size_t size) {
    static struct jwt_claims claims;
    const char *wrong = NULL;
    enum err e = jwt_inspect_unverified((const char *)data, size, &claims, &wrong);
    HOLDS(e == ERR_OK || wrong != NULL);
    if (e != ERR_OK)
        return;
    terminated(claims.issuer);
    terminated(claims.subject);
    terminated(claims.namespace);
    terminated(claims.service_account);
    terminated(claims.pod);
    HOLDS(claims.audience_count <= JWT_AUDIENCES_MAX);
    for (size_t i = 0; i < claims.audience_count; i++)
        HOLDS(jwt_has_audience(&claims, claims.audiences[i]));
}

/* What decodes, encodes to the same text: no two spellings of one token. */
static void base64url(const uint8_t *data, size_t size) {
    static unsigned char decoded[4096];
    static char again[BASE64URL_SIZE(sizeof decoded)];
    size_t len;
    if (base64url_decode((const char *)data, size, decoded, sizeof decoded, &len) != ERR_OK)
        return;
    base64url_encode(decoded, len, again);
    HOLDS(strlen(again) == size && memcmp(again, data, size) == 0);
}

/* The same bytes as the claims of a token with a good header: so that the fuzzer need not find base64url by
 * itself. */
static void as_claims(const uint8_t *data, size_t size) {
    static char text[8192];
    if (size > 4096)
        return;
    size_t at = (size_t)snprintf(text, sizeof text, "eyJhbGciOiJSUzI1NiJ9.");
    base64url_encode(data, size, text + at);
    strcat(text, ".c2ln");
    token((const uint8_t *)text, strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    token(data, size);
    base64url(data, size);
    as_claims(data, size);
    return 0;
}
