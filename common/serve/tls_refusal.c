#include "common/serve/tls_refusal.h"

#include <bearssl.h>
#include <stdbool.h>
#include <string.h>

#include "common/serve/tls_client.h"

enum {
    CHANGE_CIPHER_SPEC = 20,
    ALERT = 21,
    HANDSHAKE = 22,
    CLIENT_HELLO = 1,
    FATAL = 2,
    HANDSHAKE_FAILURE = 40,
    PROTOCOL_VERSION = 70
};

/* An alert that came. */
static const char *alert_text(int alert) {
    switch (alert) {
    case 42:
    case 43:
    case 45:
    case 46:
    case 48:
        return "the client does not accept our certificate: it does not know who signed it, or expects "
               "another "
               "name or time";
    case 70:
    case 86:
        return "the client does not speak TLS 1.2";
    default:
        return "the client sent an alert";
    }
}

const char *tls_refusal_text(int error) {
    switch (error) {
    case BR_ERR_OK:
    case BR_ERR_IO:
        return NULL;
    case BR_ERR_UNSUPPORTED_VERSION:
    case BR_ERR_BAD_VERSION:
    case BR_ERR_SEND_FATAL_ALERT + PROTOCOL_VERSION:
        return "the client does not speak TLS 1.2, or no TLS at all";
    case BR_ERR_SEND_FATAL_ALERT + HANDSHAKE_FAILURE:
        return "the client has no cipher suite, curve or hash that is spoken here, or speaks TLS 1.3 only";
    case BR_ERR_NO_CLIENT_AUTH:
        return "the client has no certificate";
    case BR_ERR_X509_EXPIRED:
        return "the client's certificate is not valid now";
    case BR_ERR_X509_NOT_TRUSTED:
        return "the client's certificate is not signed by an authority of the client CA";
    case TLS_NOT_FOR_CLIENTS:
        return "the client's certificate is not for clients: its extended key usage is without clientAuth";
    default:
        break;
    }
    if (error >= BR_ERR_RECV_FATAL_ALERT && error < BR_ERR_SEND_FATAL_ALERT)
        return alert_text(error - BR_ERR_RECV_FATAL_ALERT);
    return error >= BR_ERR_X509_OK && error < BR_ERR_RECV_FATAL_ALERT
               ? "the client's certificate is not accepted"
               : "the client breaks the protocol";
}

/* BearSSL ends without an alert of its own where it cannot go on: RFC 5246 7.2.2. */
static int alert_for(int error) {
    switch (error) {
    case BR_ERR_UNSUPPORTED_VERSION:
    case BR_ERR_BAD_VERSION:
        return PROTOCOL_VERSION;
    case BR_ERR_X509_NOT_TRUSTED:
        return 48; /* unknown CA */
    case BR_ERR_X509_EXPIRED:
        return 45; /* certificate expired */
    case BR_ERR_BAD_SIGNATURE:
        return 51; /* decrypt error */
    default:
        return error >= BR_ERR_X509_OK ? 42 /* bad certificate */ : HANDSHAKE_FAILURE;
    }
}

const void *tls_refusal_raw(int error, const unsigned char header[5], unsigned char alert[7], size_t *len) {
    static const char methods[][6] = {"GET /", "HEAD ", "POST ", "PUT /"};
    static const char plain[] =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
        "Content-Length: 33\r\n\r\nThis port speaks HTTPS, not HTTP.";
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (memcmp(header, methods[i], 5) == 0) {
            *len = sizeof plain - 1;
            return plain;
        }
    }
    if (header[0] < CHANGE_CIPHER_SPEC || header[0] > HANDSHAKE || error >= BR_ERR_RECV_FATAL_ALERT)
        return NULL; /* no TLS at all, or all has been said */
    const unsigned char record[] = {ALERT, 3,     header[2] < 3 ? 1 : 3,          0,
                                    2,     FATAL, (unsigned char)alert_for(error)};
    memcpy(alert, record, sizeof record);
    *len = sizeof record;
    return alert;
}

/* ---- TLS 1.3 only ---- */

static size_t read16(const unsigned char *at) {
    return (size_t)at[0] << 8 | at[1];
}

/* Of TLS 1.3, or none at all: renegotiation and fallback (RFC 5746, RFC 7507), and what says nothing (RFC
 * 8701). */
static bool is_13(const unsigned char *suite) {
    return suite[0] == 0x13 || read16(suite) == 0x00FF || read16(suite) == 0x5600 ||
           (suite[0] == suite[1] && (suite[0] & 15) == 10);
}

static bool speaks_13_only(const unsigned char *hello, size_t len) {
    enum { SESSION = 4 + 2 + 32 }; /* behind type, length, version and random */
    bool any = false;
    if (len <= SESSION || hello[0] != CLIENT_HELLO)
        return false;
    size_t at = SESSION + 1 + (size_t)hello[SESSION];
    if (at + 2 > len)
        return false;
    size_t suites = read16(hello + at);
    at += 2;
    if (suites % 2 != 0 || suites > len - at)
        return false;
    for (size_t i = 0; i < suites; i += 2) {
        if (!is_13(hello + at + i))
            return false;
        any = any || hello[at + i] == 0x13;
    }
    return any;
}

void tls_refusal_clarify(const unsigned char *hello, size_t hello_len, unsigned char *record, size_t len) {
    if (len != 7 || record[0] != ALERT || record[5] != FATAL)
        return;
    if (record[1] == 0) { /* nothing was agreed on yet */
        record[1] = 3;
        record[2] = 1;
    }
    if (record[6] == HANDSHAKE_FAILURE && speaks_13_only(hello, hello_len))
        record[6] = PROTOCOL_VERSION;
}
