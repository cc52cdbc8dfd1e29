/* The certificates of a PEM file (RFC 7468) as people have them: with or without a line break at the end,
 * CRLF, a byte order mark, comments and other objects in between. No I/O: the bytes come in pieces of any
 * size. */
#ifndef POD_IDENTITY_TEXT_PEM_H
#define POD_IDENTITY_TEXT_PEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define PEM_DER_MAX 8192 /* of one certificate; public and corporate authorities have 500 to 2,500 bytes */
#define PEM_LINE_MAX 48  /* of a line that begins or ends an object, the longest being 33 */

/* One reader; its storage is the caller's. der and len are for pem_found, the rest is private. */
struct pem {
    size_t begins_at; /* where the line "-----BEGIN" of this certificate begins in the file */
    size_t len;
    size_t at, line_at, line_len;
    bool inside, marker;
    enum err error;
    uint32_t bits;
    unsigned bit_count, padding;
    char line[PEM_LINE_MAX + 1];
    unsigned char der[PEM_DER_MAX];
};

/* Called for each certificate ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"). der holds len bytes
 * if error is ERR_OK; with "TRUSTED CERTIFICATE", more stands behind the certificate itself. ERR_SYNTAX: no
 * base64; ERR_TOO_LONG: more than PEM_DER_MAX; ERR_MISSING: the line that ends it. False ends the reading. */
typedef bool pem_found(void *context, const struct pem *pem, enum err error);

/* Begins, at that place of the file. */
void pem_open(struct pem *pem, size_t at);
/* False: found() ended it. */
bool pem_push(struct pem *pem, const char *bytes, size_t len, pem_found *found, void *context);
/* What the end of the file ends. */
void pem_close(struct pem *pem, pem_found *found, void *context);

#endif
