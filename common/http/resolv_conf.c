#include "common/http/resolv_conf.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* glibc's limits (resolv.h). */
#define NDOTS_MAX 15
#define TIMEOUT_MAX_S 30
#define ATTEMPTS_MAX 5

/* A file as lines of words, however long it is. */
struct words {
    int fd;
    ssize_t at, len;
    char chunk[512];
};

enum word { WORD, LINE_END, FILE_END };

static void words_open(struct words *w, const char *path) {
    w->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    w->at = w->len = 0;
}

static void words_close(const struct words *w) {
    if (w->fd >= 0)
        close(w->fd);
}

static int next_char(struct words *w) {
    if (w->at == w->len) {
        w->at = 0;
        w->len = w->fd >= 0 ? read(w->fd, w->chunk, sizeof w->chunk) : 0;
    }
    if (w->len <= 0) {
        w->len = 0;
        return -1;
    }
    return (unsigned char)w->chunk[w->at++];
}

static bool ends_word(int c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c < 0;
}

/* A word that is longer than any name becomes "". */
static enum word next_word(struct words *w, char out[DNS_NAME_MAX]) {
    size_t len = 0;
    int c = next_char(w);
    while (c == ' ' || c == '\t' || c == '\r')
        c = next_char(w);
    if (c == '#' || c == ';') {
        while (c >= 0 && c != '\n')
            c = next_char(w);
    }
    if (c < 0 || c == '\n')
        return c < 0 ? FILE_END : LINE_END;
    for (; !ends_word(c); c = next_char(w)) {
        if (len < DNS_NAME_MAX)
            out[len++] = (char)c;
    }
    out[len < DNS_NAME_MAX ? len : 0] = '\0';
    if (c == '\n')
        w->at--;
    return WORD;
}

static bool parse_address(const char *text, struct dns_address *out) {
    out->ipv6 = strchr(text, ':') != NULL;
    return inet_pton(out->ipv6 ? AF_INET6 : AF_INET, text, out->bytes) == 1;
}

/* "ndots:5"; what is too much counts as the most, as in glibc. */
static void take_option(const char *word, const char *name, unsigned max, unsigned *out) {
    size_t len = strlen(name);
    if (strncmp(word, name, len) != 0 || word[len] < '0' || word[len] > '9')
        return;
    unsigned value = 0;
    for (const char *at = word + len; *at >= '0' && *at <= '9' && value <= max; at++)
        value = value * 10 + (unsigned)(*at - '0');
    *out = value < max ? value : max;
}

static void take_options(struct words *w, struct resolv_conf *out) {
    char word[DNS_NAME_MAX];
    while (next_word(w, word) == WORD) {
        take_option(word, "ndots:", NDOTS_MAX, &out->ndots);
        take_option(word, "timeout:", TIMEOUT_MAX_S, &out->timeout_s);
        take_option(word, "attempts:", ATTEMPTS_MAX, &out->attempts);
    }
}

void resolv_conf_read(const char *path, struct resolv_conf *out) {
    static const unsigned char loopback[4] = {127, 0, 0, 1};
    struct words w;
    char word[DNS_NAME_MAX];
    bool named = false, first = true;
    *out = (struct resolv_conf){.ndots = 1, .timeout_s = 5, .attempts = 2};
    words_open(&w, path);
    for (enum word got; (got = next_word(&w, word)) != FILE_END; first = got == LINE_END) {
        if (got != WORD || !first)
            continue;
        if (strcmp(word, "options") == 0) {
            take_options(&w, out);
            got = LINE_END;
        } else if (strcmp(word, "nameserver") == 0 && next_word(&w, word) == WORD) {
            named = true;
            if (out->count < RESOLV_SERVERS_MAX && parse_address(word, &out->servers[out->count]))
                out->count++;
        }
    }
    words_close(&w);
    if (!named)
        memcpy(out->servers[out->count++].bytes, loopback, sizeof loopback);
    if (out->timeout_s == 0)
        out->timeout_s = 1;
    if (out->attempts == 0)
        out->attempts = 1;
}

bool resolv_conf_search(const char *path, size_t n, char out[DNS_NAME_MAX]) {
    struct words w;
    char word[DNS_NAME_MAX];
    bool found = false, first = true;
    words_open(&w, path);
    for (enum word got; (got = next_word(&w, word)) != FILE_END; first = got == LINE_END) {
        if (got != WORD || !first || (strcmp(word, "search") != 0 && strcmp(word, "domain") != 0))
            continue;
        found = false; /* the last line counts */
        for (size_t i = 0; (got = next_word(&w, word)) == WORD; i++) {
            if (i == n) {
                memcpy(out, word, DNS_NAME_MAX);
                found = true;
            }
        }
        if (got == FILE_END)
            break;
    }
    words_close(&w);
    return found;
}

bool resolv_hosts(const char *path, const char *name, struct dns_addresses *out) {
    struct words w;
    char word[DNS_NAME_MAX];
    struct dns_address address;
    bool first = true, usable = false;
    words_open(&w, path);
    for (enum word got; (got = next_word(&w, word)) != FILE_END; first = got == LINE_END) {
        if (got == LINE_END)
            continue;
        if (first)
            usable = parse_address(word, &address);
        else if (usable && strcasecmp(word, name) == 0 && out->count < DNS_ADDRESSES_MAX) {
            out->list[out->count++] = address;
            usable = false; /* once for each line */
        }
    }
    words_close(&w);
    return out->count > 0;
}
