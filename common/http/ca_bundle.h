/* The authorities that are trusted: a PEM file, of which only an index is kept.
 *
 * A bundle of a distribution has 150 certificates, and a connection needs one of them: they are looked at
 * once (each with BearSSL's own decoder, and what it says counts), and the few that bear an issuer's name are
 * decoded again when a server's chain ends in it. The file is read anew when it has changed. */
#ifndef POD_IDENTITY_HTTP_CA_BUNDLE_H
#define POD_IDENTITY_HTTP_CA_BUNDLE_H

#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/http/certificate.h"

#define CA_BUNDLE_MAX 1024                   /* certificates; Debian has 142 */
#define CA_BUNDLE_FILE_MAX (4 * 1024 * 1024) /* bytes; Debian has 220,000 */

struct ca_counts {
    size_t usable, unusable[CA_FAULTS];
};

/* Reads the file if it is not as it was when it was read last, and counts. Two files are remembered. The path
 * is borrowed, and known by its address. *changed (may be NULL): it was read. ERR_SYSTEM with errno,
 * ERR_NOT_FILE (nothing is waited for), ERR_TOO_LONG (file or number), ERR_EMPTY: no certificate, or
 * ERR_MISSING: none that can be used. */
enum err ca_bundle_load(const char *path, struct ca_counts *out, bool *changed);

/* Appends "2 of 142 certificates cannot be used: 1 has …", and returns true, if there are such. */
bool ca_bundle_unusable(const struct ca_counts *counts, struct buf *out);

/* Appends the path, and why ca_bundle_load() cannot take it. */
void ca_bundle_explain(const char *path, struct buf *out);

struct ca_anchor; /* ca_anchor.h */

/* The authorities of that name (its DER), each key once. More than max is ERR_TOO_LONG, and what
 * ca_bundle_load() returns can be returned, too, since the file is looked at again. The name is borrowed; the
 * path as there. */
enum err ca_bundle_find(const char *path, const unsigned char *name, size_t len, struct ca_anchor *out,
                        size_t max, size_t *count);

#endif
