#include "agent/flags_hosts.h"

#include <arpa/inet.h>
#include <string.h>

static bool parse_host(const char *value, size_t len, struct flags_host *out, struct buf *problem) {
    char bare[INET6_ADDRSTRLEN];
    bool bracketed = len > 1 && value[0] == '[' && value[len - 1] == ']';
    size_t bare_len = len - (bracketed ? 2 : 0);
    memset(out, 0, sizeof *out);
    if (len == 9 && memcmp(value, "localhost", 9) == 0) {
        value = "127.0.0.1";
        bare_len = 9;
    }
    if (bare_len > 0 && bare_len < sizeof bare) {
        memcpy(bare, value + bracketed, bare_len);
        bare[bare_len] = '\0';
        out->ipv6 = inet_pton(AF_INET6, bare, out->address) == 1;
        if (out->ipv6 || (!bracketed && inet_pton(AF_INET, bare, out->address) == 1)) {
            struct buf text = BUF(out->text);
            buf_fmt(&text, out->ipv6 ? "[%s]" : "%s", bare);
            return true;
        }
    }
    buf_printable(problem, value, len, 60);
    buf_str(problem, memchr(value, ':', len) != NULL && memchr(value, '.', len) != NULL
                         ? " is not an address: the port is --port's, not this one's"
                         : " is not an address such as " FLAGS_HOST_V4 " or " FLAGS_HOST_V6
                           " (names are not looked up)");
    return false;
}

bool flags_same_host(const struct flags_host *a, const struct flags_host *b) {
    return a->ipv6 == b->ipv6 && memcmp(a->address, b->address, sizeof a->address) == 0;
}

bool flags_add_host(struct settings *s, const char *value, size_t len, struct buf *problem) {
    struct flags_host host;
    if (!parse_host(value, len, &host, problem))
        return false;
    for (size_t i = 0; i < s->host_count; i++) {
        if (flags_same_host(&s->hosts[i], &host)) {
            buf_fmt(problem, "%s is there twice", host.text);
            return false;
        }
    }
    if (s->host_count == FLAGS_HOSTS_MAX) {
        buf_fmt(problem, "more than %d addresses", FLAGS_HOSTS_MAX);
        return false;
    }
    s->hosts[s->host_count++] = host;
    return true;
}

/* The first one takes the place of both defaults. */
bool flags_take_hosts(void *place, const char *value, struct buf *problem) {
    struct settings *s = place;
    if (!s->hosts_given)
        s->host_count = 0;
    s->hosts_given = true;
    for (;; value++) {
        size_t len = strcspn(value, ",");
        if (!flags_add_host(s, value, len, problem))
            return false;
        value += len;
        if (*value == '\0')
            return true;
    }
}

bool flags_take_metrics_host(void *place, const char *value, struct buf *problem) {
    struct flags_host *host = place;
    if (*value == '\0') /* in Go, all addresses */
        value = "0.0.0.0";
    return parse_host(value, strlen(value), host, problem);
}
