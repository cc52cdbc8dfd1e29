#include "common/text/base64url.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int value_of(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : -1;
}

enum err base64url_decode(const char *text, size_t len, unsigned char *out, size_t out_cap, size_t *out_len) {
    if (len % 4 == 1)
        return ERR_SYNTAX;
    if (len / 4 * 3 + (len % 4 != 0 ? len % 4 - 1 : 0) > out_cap)
        return ERR_TOO_LONG;
    uint32_t bits = 0;
    unsigned held = 0;
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int v = value_of(text[i]);
        if (v < 0)
            return ERR_SYNTAX;
        bits = (bits << 6 | (uint32_t)v) & 0xFFFFFFU;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[n++] = (unsigned char)(bits >> held & 0xFFU);
        }
    }
    if ((bits & ((1U << held) - 1U)) != 0)
        return ERR_SYNTAX;
    *out_len = n;
    return ERR_OK;
}

void base64url_encode(const unsigned char *bytes, size_t len, char *out) {
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < len; i++) {
        bits = (bits << 8 | bytes[i]) & 0xFFFFFFU;
        held += 8;
        while (held >= 6) {
            held -= 6;
            *out++ = alphabet[bits >> held & 63U];
        }
    }
    if (held > 0)
        *out++ = alphabet[bits << (6 - held) & 63U];
    *out = '\0';
}
