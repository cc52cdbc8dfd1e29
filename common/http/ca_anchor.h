/* One authority's certificate, as BearSSL trusts it. */
#ifndef POD_IDENTITY_HTTP_CA_ANCHOR_H
#define POD_IDENTITY_HTTP_CA_ANCHOR_H

#include <bearssl.h>

#include "common/http/certificate.h"

#define CA_RSA_MIN 256 /* bytes of a modulus: 2048 bits */
#define CA_RSA_MAX 512 /* 4096 bits: what BearSSL computes with */

struct ca_anchor {
    br_x509_trust_anchor anchor; /* dn is the caller's to set */
    unsigned char key[BR_X509_BUFSIZE_KEY];
};

/* der is what `c` was read from. False with *fault. */
bool ca_anchor_decode(const unsigned char *der, const struct certificate *c, struct ca_anchor *out,
                      enum ca_fault *fault);
void ca_anchor_copy(const struct ca_anchor *from, struct ca_anchor *to);
bool ca_anchor_same_key(const struct ca_anchor *a, const struct ca_anchor *b);

/* Whether the size of a key is one that is accepted; false only for RSA. */
bool ca_key_accepted(const br_x509_pkey *key);

#endif
