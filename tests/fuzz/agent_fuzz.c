/* What the agent answers: always one reason, one line, and no secret in it. The first two bytes are the
 * status. */
#include "tests/fuzz/fuzz.h"

#include "common/pod/agent_client.h"

static void check_line(const char *text) {
    HOLDS(*text != '\0');
    for (; *text != '\0'; text++)
        HOLDS(*text >= ' ' && *text < 0x7F);
}

/* A token that the answer echoes, whole, anywhere. */
static void check_echo(const struct failure *f, const char *secret) {
    HOLDS(strstr(f->message, secret) == NULL && strstr(f->remedy, secret) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct uri uri;
    static struct credentials c;
    static struct failure f;
    static char body[HTTP_BODY_MAX + 1];
    static const struct credentials zero;
    static const char token[] = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl";
    static const struct moment now = {.mono_ms = 1, .wall_ms = INT64_C(1795435200000)};
    if (size < 2 || size - 2 > HTTP_BODY_MAX - sizeof token ||
        uri_parse("http://169.254.170.23/v1/credentials", &uri) != ERR_OK)
        return 0;
    struct http_response r = {
        .result = HTTP_ANSWERED, .status = (data[0] | data[1] << 8) % 1000, .body = body};
    r.body_len = size - 2;
    memcpy(body, data + 2, r.body_len);
    body[r.body_len] = '\0';
    enum reason reason = agent_client_result(&uri, &r, now, &c, &f);
    if (reason == REASON_OK) {
        HOLDS(r.status == 200 && c.expires_ms > now.wall_ms && c.access_key_id[0] != '\0');
        credentials_wipe(&c);
        return 0;
    }
    HOLDS(f.reason == reason && *reason_name(reason) != '\0');
    HOLDS(memcmp(&c, &zero, sizeof c) == 0);
    check_line(f.message);
    check_line(f.remedy);
    /* The same answer with the token at its end, behind a blank, as an echo would have it; unless the fuzzer
     * has found a part of the token and glued it to something. */
    if (memmem(body, r.body_len, "eyJ", 3) != NULL)
        return 0;
    body[r.body_len] = ' ';
    memcpy(body + r.body_len + 1, token, sizeof token);
    r.body_len += sizeof token;
    agent_client_result(&uri, &r, now, &c, &f);
    if (f.reason != REASON_OK)
        check_echo(&f, "eyJhbGciOiJSUzI1NiJ9");
    credentials_wipe(&c);
    return 0;
}
