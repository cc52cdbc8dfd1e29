#include "common/text/pem.h"

#include <string.h>

static const char begin_mark[] = "-----BEGIN ", end_mark[] = "-----END ";

void pem_open(struct pem *p, size_t at) {
    p->at = p->line_at = at;
    p->line_len = 0;
    p->inside = p->marker = false;
}

static void start(struct pem *p) {
    p->inside = true;
    p->begins_at = p->line_at;
    p->error = ERR_OK;
    p->len = 0;
    p->bits = 0;
    p->bit_count = p->padding = 0;
}

static int digit(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static void decode(struct pem *p, char c) {
    int value = digit(c);
    if (p->error != ERR_OK || c == ' ' || c == '\t')
        return;
    if (c == '=' && p->padding < 2) {
        p->padding++;
        return;
    }
    if (value < 0 || p->padding > 0) {
        p->error = ERR_SYNTAX;
        return;
    }
    p->bits = p->bits << 6 | (uint32_t)value;
    p->bit_count += 6;
    if (p->bit_count < 8)
        return;
    if (p->len == PEM_DER_MAX) {
        p->error = ERR_TOO_LONG;
        return;
    }
    p->bit_count -= 8;
    p->der[p->len++] = (unsigned char)(p->bits >> p->bit_count);
}

static bool finish(struct pem *p, bool ended, pem_found *found, void *context) {
    p->inside = false;
    if (p->error == ERR_OK && p->bit_count == 6)
        p->error = ERR_SYNTAX;
    if (p->error == ERR_OK && !ended)
        p->error = ERR_MISSING;
    return found(context, p, p->error);
}

static bool begins_certificate(const char *line) {
    static const char labels[][28] = {"CERTIFICATE-----", "X509 CERTIFICATE-----",
                                      "TRUSTED CERTIFICATE-----"};
    size_t skip = sizeof begin_mark - 1;
    if (strncmp(line, begin_mark, skip) != 0)
        return false;
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        if (strcmp(line + skip, labels[i]) == 0)
            return true;
    }
    return false;
}

/* A line that is no data ends what is being read, whether it says so or not. */
static bool end_line(struct pem *p, pem_found *found, void *context) {
    bool go_on = true;
    while (p->line_len > 0 && (p->line[p->line_len - 1] == ' ' || p->line[p->line_len - 1] == '\t'))
        p->line_len--;
    p->line[p->line_len] = '\0';
    if (p->inside && p->marker)
        go_on = finish(p, strncmp(p->line, end_mark, sizeof end_mark - 1) == 0, found, context);
    if (go_on && !p->inside && begins_certificate(p->line))
        start(p);
    p->line_len = 0;
    p->marker = false;
    return go_on;
}

/* Blanks, and a byte order mark, before the first character of a line. */
static bool is_margin(unsigned char c) {
    return c == ' ' || c == '\t' || c == 0xEF || c == 0xBB || c == 0xBF;
}

static bool take(struct pem *p, char c, pem_found *found, void *context) {
    if (c == '\n' || c == '\r')
        return end_line(p, found, context);
    if (p->line_len == 0 && is_margin((unsigned char)c))
        return true;
    if (p->line_len == 0) {
        p->marker = c == '-';
        p->line_at = p->at;
    }
    if (p->inside && !p->marker)
        decode(p, c);
    if (p->line_len < PEM_LINE_MAX)
        p->line[p->line_len++] = c;
    else
        p->line[0] = '\0'; /* longer than any that is looked for */
    return true;
}

bool pem_push(struct pem *p, const char *bytes, size_t len, pem_found *found, void *context) {
    for (size_t i = 0; i < len; i++) {
        if (!take(p, bytes[i], found, context))
            return false;
        p->at++;
    }
    return true;
}

void pem_close(struct pem *p, pem_found *found, void *context) {
    if (end_line(p, found, context) && p->inside)
        (void)finish(p, false, found, context);
}
