/* URIs and listening addresses: what is taken is made of its parts, and is taken again when put together. */
#include "tests/fuzz/fuzz.h"

#include "common/text/uri.h"

static void whole(const char *text) {
    static struct uri u, again;
    if (uri_parse(text, &u) != ERR_OK)
        return;
    HOLDS(strcmp(u.text, text) == 0);
    HOLDS(u.host[0] != '\0' && u.port != 0);
    HOLDS(u.path >= u.text && u.path <= u.text + strlen(u.text));
    HOLDS(*u.path == '\0' || *u.path == '/' || *u.path == '?');
    HOLDS(strchr(u.host, '@') == NULL && strchr(u.host, '/') == NULL);
    HOLDS(u.https || uri_allowed_by_sdks(&u) == uri_is_local(&u));
    char text2[URI_TEXT_MAX + 64];
    snprintf(text2, sizeof text2, "http%s://%s%s%s:%u%s", u.https ? "s" : "", u.ipv6 ? "[" : "", u.host,
             u.ipv6 ? "]" : "", (unsigned)u.port, u.path);
    if (strlen(text2) > URI_TEXT_MAX)
        return;
    HOLDS(uri_parse(text2, &again) == ERR_OK);
    HOLDS(again.kind == u.kind && again.port == u.port && again.https == u.https && again.ipv6 == u.ipv6);
    HOLDS(strcmp(again.host, u.host) == 0 && strcmp(again.path, u.path) == 0);
}

static void listening(const char *text) {
    bool ipv6;
    unsigned char address[16];
    uint16_t port;
    if (uri_parse_loopback(text, &ipv6, address, &port) != ERR_OK)
        return;
    if (ipv6)
        HOLDS(memcmp(address, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16) == 0);
    else
        HOLDS(address[0] == 127);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = as_text(data, size);
    whole(text);
    listening(text);
    return 0;
}
