/* The container-credentials answer: what is taken is fit to be served, and is read again as the same. */
#include "tests/fuzz/fuzz.h"

#include "common/pod/credentials.h"

static struct credentials c, again;

static void check_text(const char *text) {
    HOLDS(*text != '\0');
    for (; *text != '\0'; text++)
        HOLDS(*text > ' ' && *text <= '~' && *text != '"' && *text != '\\');
}

static void check_rendering(void (*render)(const struct credentials *, struct buf *)) {
    static char storage[CREDENTIALS_RENDERED_MAX];
    struct buf out = BUF(storage);
    render(&c, &out);
    HOLDS(!out.overflow && out.len < 10000 && strlen(out.data) == out.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct credentials zero;
    static char storage[CREDENTIALS_RENDERED_MAX];
    struct buf out = BUF(storage);
    const char *field = NULL;
    if (credentials_parse((const char *)data, size, &c, &field) != ERR_OK) {
        HOLDS(field != NULL);
        HOLDS(memcmp(&c, &zero, sizeof c) == 0);
        return 0;
    }
    check_text(c.access_key_id);
    check_text(c.secret_access_key);
    check_text(c.session_token);
    HOLDS(c.account_id[0] == '\0' || strspn(c.account_id, "0123456789") == 12);
    check_rendering(credentials_render_process);
    check_rendering(credentials_render_profile);
    check_rendering(credentials_render_container);
    credentials_render_container(&c, &out);
    HOLDS(credentials_parse(out.data, out.len, &again, &field) == ERR_OK);
    HOLDS(strcmp(c.access_key_id, again.access_key_id) == 0);
    HOLDS(strcmp(c.secret_access_key, again.secret_access_key) == 0);
    HOLDS(strcmp(c.session_token, again.session_token) == 0);
    HOLDS(strcmp(c.account_id, again.account_id) == 0);
    /* Only a zone can push an expiry out of the years that are shown. */
    if (c.expires_ms >= 0 && c.expires_ms < INT64_C(253402300800000))
        HOLDS(again.expires_ms == c.expires_ms / 1000 * 1000);
    credentials_wipe(&c);
    credentials_wipe(&again);
    return 0;
}
