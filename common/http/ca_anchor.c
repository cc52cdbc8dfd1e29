#include "common/http/ca_anchor.h"

#include <string.h>

bool ca_key_accepted(const br_x509_pkey *key) {
    return key->key_type != BR_KEYTYPE_RSA ||
           (key->key.rsa.nlen >= CA_RSA_MIN && key->key.rsa.nlen <= CA_RSA_MAX);
}

static enum ca_fault fault_of(int error) {
    switch (error) {
    case BR_ERR_X509_UNSUPPORTED:
        return CA_KIND;
    case BR_ERR_X509_LIMIT_EXCEEDED:
        return CA_LARGE;
    default:
        return CA_BROKEN;
    }
}

/* Where the key's parts stand depends on where the key stands. */
static void place(const unsigned char *from, struct ca_anchor *a) {
    if (a->anchor.pkey.key_type == BR_KEYTYPE_RSA) {
        br_rsa_public_key *rsa = &a->anchor.pkey.key.rsa;
        rsa->e = a->key + (rsa->e - from);
        rsa->n = a->key;
    } else {
        a->anchor.pkey.key.ec.q = a->key;
    }
}

/* In one push: BearSSL's decoder must not be called again after an error, which it would run past. Only the
 * certificate itself, without what "TRUSTED CERTIFICATE" has behind it. */
bool ca_anchor_decode(const unsigned char *der, const struct certificate *c, struct ca_anchor *out,
                      enum ca_fault *fault) {
    br_x509_decoder_context decoder;
    br_x509_decoder_init(&decoder, NULL, NULL);
    br_x509_decoder_push(&decoder, der, c->len);
    int error = br_x509_decoder_last_error(&decoder);
    const br_x509_pkey *key = error == 0 ? br_x509_decoder_get_pkey(&decoder) : NULL;
    *fault = fault_of(error);
    if (key == NULL)
        return false;
    *fault = key->key.rsa.nlen < CA_RSA_MIN ? CA_SMALL_KEY : CA_LARGE;
    if (!ca_key_accepted(key))
        return false;
    /* An authority of version 1 cannot say that it is one; who put it into the bundle did. */
    bool root = c->version1 && der_equal(&c->subject, &c->issuer);
    memset(out, 0, sizeof *out);
    out->anchor.flags = br_x509_decoder_isCA(&decoder) || root ? BR_X509_TA_CA : 0;
    out->anchor.pkey = *key;
    memcpy(out->key, decoder.pkey_data, sizeof out->key);
    place(decoder.pkey_data, out);
    return true;
}

void ca_anchor_copy(const struct ca_anchor *from, struct ca_anchor *to) {
    *to = *from;
    place(from->key, to);
}

/* What is not used of a key is zero. */
bool ca_anchor_same_key(const struct ca_anchor *a, const struct ca_anchor *b) {
    return a->anchor.flags == b->anchor.flags && a->anchor.pkey.key_type == b->anchor.pkey.key_type &&
           memcmp(a->key, b->key, sizeof a->key) == 0;
}
