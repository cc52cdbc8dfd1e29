/* The parts of an X.509 certificate (RFC 5280) that BearSSL does not show: names as they stand, times,
 * algorithms, extensions. No judgement on the certificate as a whole: BearSSL passes that. */
#ifndef POD_IDENTITY_HTTP_CERTIFICATE_H
#define POD_IDENTITY_HTTP_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>

/* Why a certificate of a bundle cannot be used. */
enum ca_fault {
    CA_BROKEN,    /* no base64, cut off, or no certificate */
    CA_KIND,      /* its key is neither RSA nor on a curve that is computed with */
    CA_SMALL_KEY, /* RSA of less than 2048 bits */
    CA_LARGE,     /* RSA of more than 4096 bits, or a certificate of more than PEM_DER_MAX bytes */
    CA_FAULTS
};

/* Some DER; points into the certificate. */
struct der {
    const unsigned char *bytes;
    size_t len;
};

struct certificate {
    struct der issuer, subject;       /* whole, with tag and length: what names are compared by */
    struct der not_before, not_after; /* as in "20261123120000Z", or with two digits for the year */
    struct der signature, key, curve; /* object identifiers, without tag; curve is empty if there is none */
    struct der extensions;
    size_t len;    /* of the certificate, which may be less than what was given */
    bool version1; /* which knows no extensions, so that nothing says whether it is an authority */
};

/* False if that is not how a certificate begins. */
bool certificate_read(const unsigned char *bytes, size_t len, struct certificate *out);

/* The value of an extension by the last byte of its object identifier 2.5.29.N; false if it is not there. */
#define CERTIFICATE_NAMES 17
#define CERTIFICATE_NAME_CONSTRAINTS 30
#define CERTIFICATE_USAGE 37
bool certificate_extension(const struct certificate *certificate, unsigned char number, struct der *value,
                           bool *critical);

/* Whether its names (subjectAltName) have that host: a DNS name, for which "*" may stand in the first label,
 * or a numeric address. The common name does not count. */
bool certificate_is_for(const struct certificate *certificate, const char *host);

/* Whether it may stand for a server: no extended key usage at all, or one that has serverAuth or any. */
bool certificate_for_servers(const struct certificate *certificate);
/* Likewise for a client, with clientAuth. */
bool certificate_for_clients(const struct certificate *certificate);

bool der_equal(const struct der *a, const struct der *b);

#endif
