#include "common/text/uri.h"

#include <arpa/inet.h>
#include <string.h>

static bool all_visible(const char *text) {
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7F)
            return false;
    }
    return true;
}

static enum uri_host classify_v4(const unsigned char a[4]) {
    static const unsigned char ecs[4] = {169, 254, 170, 2}, eks[4] = {169, 254, 170, 23};
    if (a[0] == 127)
        return URI_HOST_LOOPBACK;
    if (memcmp(a, ecs, 4) == 0)
        return URI_HOST_ECS;
    return memcmp(a, eks, 4) == 0 ? URI_HOST_EKS_V4 : URI_HOST_OTHER_ADDRESS;
}

static enum uri_host classify_v6(const unsigned char a[16]) {
    static const unsigned char loopback[16] = {[15] = 1};
    static const unsigned char eks[16] = {0xfd, 0, 0x0e, 0xc2, [15] = 0x23};
    if (memcmp(a, loopback, 16) == 0)
        return URI_HOST_LOOPBACK;
    return memcmp(a, eks, 16) == 0 ? URI_HOST_EKS_V6 : URI_HOST_OTHER_ADDRESS;
}

/* Splits "host", "host:port", "[v6]" or "[v6]:port". Without a port, *port stays as it is. */
static enum err split_authority(const char *text, size_t len, char host[URI_HOST_MAX], bool *ipv6,
                                uint16_t *port) {
    const char *end = text + len, *host_end;
    *ipv6 = len > 0 && text[0] == '[';
    if (*ipv6) {
        text++;
        host_end = memchr(text, ']', (size_t)(end - text));
        if (host_end == NULL)
            return ERR_SYNTAX;
    } else {
        host_end = memchr(text, ':', len);
        if (host_end == NULL)
            host_end = end;
    }
    size_t host_len = (size_t)(host_end - text);
    if (host_len == 0)
        return ERR_MISSING;
    if (host_len >= URI_HOST_MAX)
        return ERR_TOO_LONG;
    for (size_t i = 0; i < host_len; i++)
        host[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
    host[host_len] = '\0';
    const char *p = host_end + (*ipv6 ? 1 : 0);
    if (p == end)
        return ERR_OK;
    if (*p++ != ':' || p == end)
        return ERR_SYNTAX;
    uint32_t value = 0;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return ERR_SYNTAX;
        value = value * 10 + (uint32_t)(*p - '0');
        if (value > 65535)
            return ERR_RANGE;
    }
    *port = (uint16_t)value;
    return ERR_OK;
}

static bool name_like(const char *host) {
    bool letter = false;
    for (const char *p = host; *p != '\0'; p++) {
        bool alpha = *p >= 'a' && *p <= 'z';
        if (!alpha && !(*p >= '0' && *p <= '9') && *p != '-' && *p != '.' && *p != '_')
            return false;
        letter = letter || alpha;
    }
    /* "2852039191" or "0251.0376.0252.027" would be an address to some resolvers and a name to others. */
    return letter && !(host[0] == '0' && host[1] == 'x');
}

static enum err classify(struct uri *u) {
    unsigned char a[16];
    if (u->ipv6) {
        if (inet_pton(AF_INET6, u->host, a) != 1)
            return ERR_SYNTAX;
        u->kind = classify_v6(a);
    } else if (inet_pton(AF_INET, u->host, a) == 1) {
        u->kind = classify_v4(a);
    } else if (name_like(u->host)) {
        u->kind = strcmp(u->host, "localhost") == 0 ? URI_HOST_LOCALHOST : URI_HOST_NAME;
    } else {
        return ERR_SYNTAX;
    }
    return ERR_OK;
}

enum err uri_parse(const char *text, struct uri *out) {
    memset(out, 0, sizeof *out);
    size_t len = strnlen(text, URI_TEXT_MAX + 1);
    if (len == 0)
        return ERR_EMPTY;
    if (len > URI_TEXT_MAX)
        return ERR_TOO_LONG;
    if (!all_visible(text))
        return ERR_CONTROL;
    memcpy(out->text, text, len + 1);
    const char *authority;
    if (strncasecmp(text, "http://", 7) == 0)
        authority = out->text + 7;
    else if (strncasecmp(text, "https://", 8) == 0)
        authority = out->text + 8;
    else
        return ERR_SYNTAX;
    out->https = authority == out->text + 8;
    out->port = out->https ? 443 : 80;
    size_t authority_len = strcspn(authority, "/?#");
    if (memchr(authority, '@', authority_len) != NULL || strpbrk(authority, "#\\\"<>^`{|}") != NULL)
        return ERR_SYNTAX;
    enum err e = split_authority(authority, authority_len, out->host, &out->ipv6, &out->port);
    if (e != ERR_OK)
        return e;
    if (out->port == 0)
        return ERR_RANGE;
    out->path = authority + authority_len;
    return classify(out);
}

void uri_copy(const struct uri *from, struct uri *to) {
    *to = *from;
    to->path = to->text + (from->path - from->text);
}

bool uri_allowed_by_sdks(const struct uri *uri) {
    return uri->https || uri_is_local(uri);
}

bool uri_is_local(const struct uri *uri) {
    return uri->kind != URI_HOST_NAME && uri->kind != URI_HOST_OTHER_ADDRESS;
}

static void put_origin(bool https, const char *host, uint16_t port, struct buf *out) {
    bool ipv6 = strchr(host, ':') != NULL;
    buf_fmt(out, "http%s://%s%s%s", https ? "s" : "", ipv6 ? "[" : "", host, ipv6 ? "]" : "");
    if (port != (https ? 443 : 80))
        buf_fmt(out, ":%u", (unsigned)port);
}

void uri_put_origin(const struct uri *uri, struct buf *out) {
    put_origin(uri->https, uri->host, uri->port, out);
}

/* What is behind the last '@', which may be escaped: a password that was not may hold any character, also
 * those that end a host. */
static const char *behind_user(const char *text) {
    const char *found = text;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '@')
            found = at + 1;
        else if (strncmp(at, "%40", 3) == 0)
            found = at + 3;
    }
    return found;
}

/* A number, or nothing that can be told from a password. */
static const char *show_port(const char *text, struct buf *out) {
    size_t len = strcspn(text, "/?#\\"), digits = 1;
    while (text[digits] >= '0' && text[digits] <= '9')
        digits++;
    if (digits == len && len > 1)
        buf_put(out, text, len);
    else
        buf_str(out, ":[redacted]");
    return text + len;
}

void uri_show(const char *text, struct buf *out) {
    const char *scheme = strstr(text, "://"), *start = scheme != NULL ? scheme + 3 : text;
    const char *host = behind_user(start);
    if (scheme != NULL && (size_t)(scheme - text) < 16)
        buf_printable(out, text, (size_t)(start - text), URI_SHOWN_MAX);
    if (host > start)
        buf_str(out, "[redacted]@");
    size_t len = *host == '[' ? strcspn(host, "]/?#\\") : strcspn(host, ":/?#\\");
    len += host[len] == ']' ? 1 : 0;
    buf_printable(out, host, len, URI_SHOWN_MAX);
    const char *rest = host[len] == ':' ? show_port(host + len, out) : host + len;
    len = strcspn(rest, "?#");
    if (host == start)
        buf_printable(out, rest, len, URI_SHOWN_MAX);
    if (rest[len] != '\0')
        buf_str(out, "?[redacted]");
}

bool uri_other_family(const struct uri *uri, struct uri *out) {
    char storage[URI_TEXT_MAX + 1];
    struct buf text = BUF(storage);
    if (uri->kind != URI_HOST_EKS_V4 && uri->kind != URI_HOST_EKS_V6)
        return false;
    put_origin(uri->https, uri->kind == URI_HOST_EKS_V4 ? URI_EKS_V6 : URI_EKS_V4, uri->port, &text);
    buf_str(&text, uri->path);
    return !text.overflow && uri_parse(text.data, out) == ERR_OK;
}

enum err uri_parse_listen(const char *text, bool *ipv6, unsigned char address[16], uint16_t *port) {
    char host[URI_HOST_MAX];
    size_t len = strnlen(text, URI_TEXT_MAX + 1);
    if (len == 0)
        return ERR_EMPTY;
    const char *colon = strrchr(text, ':');
    if (colon == NULL || text[len - 1] == ']')
        return ERR_MISSING; /* a port is needed */
    enum err e = split_authority(text, len, host, ipv6, port);
    if (e != ERR_OK)
        return e;
    memset(address, 0, 16);
    return inet_pton(*ipv6 ? AF_INET6 : AF_INET, host, address) == 1 ? ERR_OK : ERR_RANGE;
}

enum err uri_parse_loopback(const char *text, bool *ipv6, unsigned char address[16], uint16_t *port) {
    enum err e = uri_parse_listen(text, ipv6, address, port);
    if (e != ERR_OK)
        return e;
    enum uri_host kind = *ipv6 ? classify_v6(address) : classify_v4(address);
    bool usual = *ipv6 || (address[1] == 0 && address[2] == 0 && address[3] == 1);
    return kind == URI_HOST_LOOPBACK && usual ? ERR_OK : ERR_RANGE;
}
