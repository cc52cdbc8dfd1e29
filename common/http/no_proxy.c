#include "common/http/no_proxy.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define ENTRY_MAX (URI_HOST_MAX + 8) /* what is longer is neither name nor address, with a port */

static bool in_network(const unsigned char *a, const unsigned char *network, unsigned bits) {
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, network, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ network[whole]) >> (8 - rest)) == 0;
}

/* "/16" as a number up to max; false for anything else. */
static bool parse_bits(const char *text, unsigned max, unsigned *out) {
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > 3 || text[len] != '\0')
        return false;
    *out = 0;
    for (size_t i = 0; i < len; i++)
        *out = *out * 10 + (unsigned)(text[i] - '0');
    return *out <= max;
}

static bool address_covered(char *entry, const struct uri *uri) {
    unsigned char a[16], network[16];
    int family = uri->ipv6 ? AF_INET6 : AF_INET;
    unsigned max = uri->ipv6 ? 128 : 32, bits = max;
    char *slash = strchr(entry, '/');
    if (slash != NULL) {
        *slash = '\0';
        if (!parse_bits(slash + 1, max, &bits))
            return false;
    }
    return inet_pton(family, entry, network) == 1 && inet_pton(family, uri->host, a) == 1 &&
           in_network(a, network, bits);
}

/* ".example.com", "*.example.com" and "example.com" all cover that name and what is below it. */
static bool name_covered(const char *entry, const char *host) {
    entry += entry[0] == '*' && entry[1] == '.' ? 2 : entry[0] == '.' ? 1 : 0;
    size_t len = strlen(entry), host_len = strlen(host);
    if (len == 0 || len > host_len || strcasecmp(host + host_len - len, entry) != 0)
        return false;
    return len == host_len || host[host_len - len - 1] == '.';
}

/* One entry: "*", a name, or an address or network, with or without brackets and port. */
static bool entry_covers(const char *text, size_t len, const struct uri *uri) {
    char entry[ENTRY_MAX];
    if (len == 0 || len >= sizeof entry)
        return false;
    memcpy(entry, text, len);
    entry[len] = '\0';
    if (strcmp(entry, "*") == 0)
        return true;
    char *start = entry, *colon = strchr(entry, ':');
    if (entry[0] == '[') {
        start++;
        start[strcspn(start, "]")] = '\0';
    } else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
        *colon = '\0'; /* one colon: a port; more: an IPv6 address */
    }
    if (uri->kind == URI_HOST_NAME || uri->kind == URI_HOST_LOCALHOST)
        return name_covered(start, uri->host);
    return address_covered(start, uri);
}

bool no_proxy_covers(const char *list, const struct uri *uri) {
    static const char separators[] = ", \t";
    if (list == NULL)
        return false;
    for (const char *at = list + strspn(list, separators); *at != '\0'; at += strspn(at, separators)) {
        size_t len = strcspn(at, separators);
        if (entry_covers(at, len, uri))
            return true;
        at += len;
    }
    return false;
}

/* ---- of SDKs ---- */

static bool same_port(const char *text, const struct uri *uri) {
    char port[8];
    struct buf b = BUF(port);
    buf_u64(&b, uri->port);
    return *text == '\0' || strcmp(text, port) == 0;
}

/* Entries that are names cover no address. */
static bool go_entry_covers(char *entry, const struct uri *uri) {
    char *host = entry, *end = strchr(entry, ':');
    const char *port = "";
    if (strcmp(entry, "*") == 0)
        return true;
    if (strchr(entry, '/') != NULL)
        return address_covered(entry, uri);
    if (*entry == '[') {
        end = strstr(entry, "]:"); /* brackets count with a port only */
        if (end == NULL || strchr(end + 2, ':') != NULL)
            return false;
        host++;
        port = end + 2;
        *end = '\0';
    } else if (end != NULL && strchr(end + 1, ':') == NULL) {
        port = end + 1;
        *end = '\0';
    }
    return same_port(port, uri) && address_covered(host, uri);
}

/* Several colons are an error there, with which the client ends. */
static bool kotlin_entry_covers(char *entry, const struct uri *uri) {
    char *colon = strchr(entry, ':');
    if (strcmp(entry, "*") == 0)
        return true;
    if (colon != NULL)
        *colon = '\0';
    entry += strspn(entry, ".");
    return *entry != '*' && name_covered(entry, uri->host) && same_port(colon != NULL ? colon + 1 : "", uri);
}

static bool covered_by(const char *list, const char *separators,
                       bool covers(char *entry, const struct uri *uri), const struct uri *uri) {
    static const char blanks[] = " \t\r\n";
    char entry[ENTRY_MAX];
    for (const char *at = list; *at != '\0'; at += strspn(at, separators)) {
        size_t len = strcspn(at, separators), skipped = strspn(at, blanks);
        const char *start = at + (skipped < len ? skipped : len);
        at += len;
        len = (size_t)(at - start);
        while (len > 0 && strchr(blanks, start[len - 1]) != NULL)
            len--;
        if (len == 0 || len >= sizeof entry)
            continue;
        memcpy(entry, start, len);
        entry[len] = '\0';
        if (covers(entry, uri))
            return true;
    }
    return false;
}

static const char *either(proxy_lookup *lookup, const char *first, const char *second) {
    const char *value = lookup(first);
    return value != NULL && *value != '\0' ? value : lookup(second);
}

bool no_proxy_of_go(proxy_lookup *lookup, const struct uri *uri) {
    const char *list = either(lookup, "NO_PROXY", "no_proxy");
    return list != NULL && covered_by(list, ",", go_entry_covers, uri);
}

bool no_proxy_of_kotlin(proxy_lookup *lookup, const struct uri *uri) {
    const char *lists[] = {lookup("no_proxy"), lookup("NO_PROXY")};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        if (lists[i] != NULL && covered_by(lists[i], ", ", kotlin_entry_covers, uri))
            return true;
    }
    return false;
}
