/* The judge of a server's chain: BearSSL's, called one public key operation at a time, with the chain in the
 * order in which it can be built, names by subjectAltName only, and extended key usage. */
#ifndef POD_IDENTITY_HTTP_TLS_CHAIN_H
#define POD_IDENTITY_HTTP_TLS_CHAIN_H

#include "common/http/ca_anchor.h"

#define TLS_CHAIN_MAX 10  /* certificates that a server sends; usually 2 to 4 */
#define TLS_ANCHORS_MAX 4 /* authorities of one name, with different keys */

/* Errors beside BearSSL's, in the place that it leaves free. */
enum { TLS_NOT_FOR_SERVERS = 64, TLS_CHAIN_TOO_LONG, TLS_TOO_MANY_ANCHORS, TLS_NO_AUTHORITIES };

/* An X.509 engine of BearSSL. libcurl's back end knows the first two members (curl-tls.patch). */
struct tls_chain {
    const br_x509_class *vtable;
    int (*check)(const br_x509_class **engine);
    unsigned char *bytes;
    size_t max, used;
    struct {
        const unsigned char *bytes;
        size_t len;
    } certificates[TLS_CHAIN_MAX];
    size_t count;                       /* as sent */
    unsigned char order[TLS_CHAIN_MAX]; /* as built: the server's own first */
    size_t order_count, at;             /* at: the one that is looked at */
    enum { CHAIN_NONE, CHAIN_CAME, CHAIN_LINK, CHAIN_ISSUER, CHAIN_GOOD, CHAIN_BAD } state;
    int error;
    const char *host, *ca_file;
    br_x509_decoder_context own; /* holds the server's key */
    br_x509_minimal_context minimal;
    struct ca_anchor anchors[TLS_ANCHORS_MAX];
    br_x509_trust_anchor list[TLS_ANCHORS_MAX];
};

/* minimal is set up by the caller, all but its anchors and its time. */
void tls_chain_begin(struct tls_chain *chain, const char *ca_file, unsigned char *bytes, size_t max);

/* The certificate that is looked at, which with an error is the one that is wrong. False if there is none. */
bool tls_chain_at(const struct tls_chain *chain, struct certificate *out);

#endif
