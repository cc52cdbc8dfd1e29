/* Credentials: what is accepted can be rendered in all three forms, and the first form reads back as the
 * same. */
#include "tests/fuzz/fuzz.h"

#include "common/credentials.h"
#include "common/ini.h"

static void same(const struct credentials *a, const struct credentials *b) {
    HOLDS(strcmp(a->access_key_id, b->access_key_id) == 0);
    HOLDS(strcmp(a->secret_access_key, b->secret_access_key) == 0);
    HOLDS(strcmp(a->session_token, b->session_token) == 0);
    HOLDS(strcmp(a->account_id, b->account_id) == 0);
    HOLDS(a->expires_ms == b->expires_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct credentials c, again;
    static char storage[CREDENTIALS_RENDERED_MAX];
    const char *field = NULL;
    if (credentials_parse((const char *)data, size, &c, &field) != ERR_OK) {
        HOLDS(field != NULL);
        HOLDS(c.access_key_id[0] == '\0' && c.secret_access_key[0] == '\0' && c.session_token[0] == '\0');
        return 0;
    }
    struct buf out = BUF(storage);
    credentials_render_container(&c, &out);
    HOLDS(!out.overflow);
    HOLDS(strstr(out.data, "\"\"") == NULL); /* an empty string anywhere spoils the parse of fluent-bit */
    if (c.expires_ms >= 0) {
        HOLDS(credentials_parse(out.data, out.len, &again, &field) == ERR_OK);
        same(&c, &again);
        credentials_wipe(&again);
    }
    buf_reset(&out);
    credentials_render_process(&c, &out);
    HOLDS(!out.overflow && strncmp(out.data, "{\"Version\":1,", 13) == 0);
    buf_reset(&out);
    credentials_render_profile(&c, &out);
    HOLDS(!out.overflow);
    size_t lines = 0;
    for (const char *p = out.data; *p != '\0'; p++)
        lines += *p == '\n';
    HOLDS(lines == (c.account_id[0] != '\0' ? 5U : 4U)); /* no value can add a line of its own */
    char id[CREDENTIALS_SHORT_ID_MAX];
    credentials_short_id(&c, id);
    HOLDS(strlen(id) < sizeof id);
    credentials_wipe(&c);
    return 0;
}
