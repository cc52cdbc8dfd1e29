/* Key sets and signatures. The input is a key set, a line break, and a token; both are also judged alone. */
#include "tests/fuzz/fuzz.h"

#include "common/pod/jws.h"

static struct jws_keys keys, again;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data, *wrong = NULL;
    const char *line = size > 0 ? memchr(text, '\n', size) : NULL;
    size_t len = line != NULL ? (size_t)(line - text) : size, unused;
    memset(&keys, 0, sizeof keys);
    memset(&again, 0, sizeof again);
    enum err e = jws_keys_parse(text, len, &keys, &unused, &wrong);
    HOLDS(wrong != NULL);
    HOLDS((e == ERR_OK) == (keys.count > 0));
    HOLDS(keys.count <= JWS_KEYS_MAX);
    HOLDS(jws_keys_parse(text, len, &again, NULL, NULL) == e);
    HOLDS(memcmp(&keys, &again, sizeof keys) == 0);
    for (size_t i = 0; i < keys.count; i++) {
        HOLDS(memchr(keys.keys[i].id, '\0', sizeof keys.keys[i].id) != NULL);
        HOLDS(keys.keys[i].len > 0 && keys.keys[i].len <= sizeof keys.keys[i].key);
    }
    const char *token = line != NULL ? line + 1 : text;
    size_t token_len = size - (size_t)(token - text);
    enum jws_verdict verdict = jws_verify(&keys, token, token_len);
    HOLDS(jws_verify(&keys, token, token_len) == verdict);
    HOLDS(verdict != JWS_SIGNED || keys.count > 0);
    return 0;
}
