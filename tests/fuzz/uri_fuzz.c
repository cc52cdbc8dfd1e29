/* URIs and listening addresses: what SDKs would send a token to over plain http is a local number, and
 * nothing else. */
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>

#include "common/uri.h"

static void uri(const char *text) {
    static struct uri u, again;
    if (uri_parse(text, &u) != ERR_OK)
        return;
    HOLDS(strcmp(u.text, text) == 0);
    HOLDS(u.host[0] != '\0' && strlen(u.host) < URI_HOST_MAX);
    HOLDS(u.port > 0);
    HOLDS(u.path >= u.text && u.path <= u.text + strlen(u.text));
    HOLDS(strchr(u.host, '@') == NULL && strchr(u.host, '/') == NULL);
    if (uri_is_local(&u)) {
        unsigned char address[16];
        HOLDS(strcmp(u.host, "localhost") == 0 ||
              inet_pton(u.ipv6 ? AF_INET6 : AF_INET, u.host, address) == 1);
    }
    HOLDS(u.https || !uri_allowed_by_sdks(&u) || uri_is_local(&u));
    HOLDS(uri_parse(u.text, &again) == ERR_OK && again.kind == u.kind && again.port == u.port);
}

static void loopback(const char *text) {
    bool ipv6;
    unsigned char address[16];
    uint16_t port;
    if (uri_parse_loopback(text, &ipv6, address, &port) != ERR_OK)
        return;
    static const unsigned char one[16] = {[15] = 1};
    HOLDS(ipv6 ? memcmp(address, one, 16) == 0 : address[0] == 127);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = as_text(data, size);
    uri(text);
    loopback(text);
    return 0;
}
