#include "common/pod/jws.h"

#include <bearssl.h>
#include <string.h>

#include "common/base/wipe.h"
#include "common/text/base64url.h"
#include "common/text/hash.h"
#include "common/text/json.h"

#define RSA_LEAST_BITS 2048
#define P256_COORDINATE 32
#define P256_SIGNATURE 64

/* ---- keys ---- */

/* A big-endian number in base64url without leading zeros. False if it is none, empty, zero or longer than
 * cap. */
static bool number(const struct json *value, unsigned char *out, size_t cap, size_t *len) {
    unsigned char raw[JWS_RSA_MAX + 8]; /* some writers put a zero in front */
    const char *text = json_text(value);
    size_t n, zeros = 0;
    if (text == NULL || base64url_decode(text, strlen(text), raw, sizeof raw, &n) != ERR_OK)
        return false;
    while (zeros < n && raw[zeros] == 0)
        zeros++;
    n -= zeros;
    if (n == 0 || n > cap)
        return false;
    memcpy(out, raw + zeros, n);
    *len = n;
    return true;
}

static bool is(const struct json *value, const char *text) {
    const char *is = json_text(value);
    return is != NULL && strcmp(is, text) == 0;
}

/* Absent, or that text. */
static bool may_be(const struct json *value, const char *text) {
    return value == NULL || is(value, text);
}

static size_t bits(const unsigned char *n, size_t len) {
    size_t count = len * 8;
    for (unsigned char top = 0x80; top != 0 && (n[0] & top) == 0; top >>= 1)
        count--;
    return count;
}

static bool rsa_key(const struct json *jwk, struct jws_key *out) {
    out->rsa = true;
    return may_be(json_get(jwk, "alg"), "RS256") &&
           number(json_get(jwk, "n"), out->key, sizeof out->key, &out->len) &&
           number(json_get(jwk, "e"), out->exponent, sizeof out->exponent, &out->exponent_len) &&
           bits(out->key, out->len) >= RSA_LEAST_BITS && (out->key[out->len - 1] & 1) != 0 &&
           (out->exponent[out->exponent_len - 1] & 1) != 0 && (out->exponent_len > 1 || out->exponent[0] > 1);
}

static bool coordinate(const struct json *value, unsigned char out[P256_COORDINATE]) {
    const char *text = json_text(value);
    size_t len;
    return text != NULL && base64url_decode(text, strlen(text), out, P256_COORDINATE, &len) == ERR_OK &&
           len == P256_COORDINATE;
}

/* That the point lies on the curve is checked when it is used: a key that does not verifies nothing. */
static bool p256_key(const struct json *jwk, struct jws_key *out) {
    out->rsa = false;
    out->len = 1 + 2 * P256_COORDINATE;
    out->key[0] = 0x04;
    return may_be(json_get(jwk, "alg"), "ES256") && is(json_get(jwk, "crv"), "P-256") &&
           coordinate(json_get(jwk, "x"), out->key + 1) &&
           coordinate(json_get(jwk, "y"), out->key + 1 + P256_COORDINATE);
}

/* "" if the key has no id. */
static bool key_id(const struct json *value, char out[JWS_KEY_ID_MAX]) {
    const char *text = json_text(value);
    if (value == NULL)
        text = "";
    if (text == NULL || strlen(text) >= JWS_KEY_ID_MAX)
        return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool usable(const struct json *jwk, struct jws_key *out) {
    memset(out, 0, sizeof *out);
    if (!may_be(json_get(jwk, "use"), "sig") || !key_id(json_get(jwk, "kid"), out->id))
        return false;
    return is(json_get(jwk, "kty"), "RSA") ? rsa_key(jwk, out)
                                           : is(json_get(jwk, "kty"), "EC") && p256_key(jwk, out);
}

static const struct jws_key *find(const struct jws_keys *keys, const char *id) {
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->keys[i].id, id) == 0)
            return &keys->keys[i];
    }
    return NULL;
}

static enum err read_keys(const struct json *root, struct jws_keys *out, size_t *unused, const char **wrong) {
    const struct json *list = json_get(root, "keys");
    *wrong = "the list \"keys\"";
    if (list == NULL)
        return ERR_MISSING;
    if (!json_is_array(list))
        return ERR_TYPE;
    const struct json *jwk;
    for (size_t i = 0; (jwk = json_item(list, i)) != NULL; i++) {
        struct jws_key key;
        *wrong = "an element of \"keys\"";
        if (!json_is_object(jwk))
            return ERR_TYPE;
        if (!usable(jwk, &key)) {
            ++*unused;
            continue;
        }
        *wrong = "the number of keys";
        if (out->count == JWS_KEYS_MAX)
            return ERR_TOO_LONG;
        *wrong = "the id of a key, which another has";
        if (find(out, key.id) != NULL)
            return ERR_RANGE;
        out->keys[out->count++] = key;
    }
    *wrong = "a key for RS256 (2048 to 4096 bits) or ES256";
    return out->count > 0 ? ERR_OK : ERR_MISSING;
}

enum err jws_keys_parse(const char *json, size_t len, struct jws_keys *out, size_t *unused,
                        const char **wrong) {
    /* One for the process, as json.h has one document: 11 kB that the stack of a small program need not have.
     */
    static struct jws_keys fresh;
    const struct json *root;
    size_t passed_over = 0;
    const char *part = "the JSON";
    fresh.count = 0;
    enum err e = json_open(json, len, &root);
    if (e == ERR_OK)
        e = read_keys(root, &fresh, &passed_over, &part);
    json_close();
    if (e == ERR_OK)
        *out = fresh;
    if (unused != NULL)
        *unused = passed_over;
    if (wrong != NULL)
        *wrong = part;
    return e;
}

/* ---- tokens ---- */

struct header {
    bool has_id;
    char id[JWS_KEY_ID_MAX];
    bool rsa;
};

/* A repeated member is two headers in one: which counts is up to the reader, so none does. */
static bool repeats(const struct json *object) {
    const struct json *a, *b;
    for (size_t i = 0; (a = json_item(object, i)) != NULL; i++) {
        for (size_t k = 0; k < i && (b = json_item(object, k)) != NULL; k++) {
            if (strcmp(json_name(a), json_name(b)) == 0)
                return true;
        }
    }
    return false;
}

static enum jws_verdict judge_header(const struct json *root, struct header *out) {
    if (!json_is_object(root) || repeats(root))
        return JWS_MALFORMED;
    const struct json *id = json_get(root, "kid");
    out->has_id = id != NULL;
    if (!key_id(id, out->id))
        return json_text(id) == NULL ? JWS_MALFORMED : JWS_UNKNOWN_KEY;
    out->rsa = is(json_get(root, "alg"), "RS256");
    bool known = out->rsa || is(json_get(root, "alg"), "ES256");
    return known && json_get(root, "crit") == NULL && json_get(root, "b64") == NULL ? JWS_SIGNED
                                                                                    : JWS_NOT_ALLOWED;
}

static enum jws_verdict read_header(const char *part, size_t len, struct header *out) {
    unsigned char text[JWS_HEADER_MAX];
    const struct json *root;
    size_t n;
    if (base64url_decode(part, len, text, sizeof text, &n) != ERR_OK)
        return JWS_MALFORMED;
    enum jws_verdict verdict = JWS_MALFORMED;
    if (json_open((const char *)text, n, &root) == ERR_OK)
        verdict = judge_header(root, out);
    json_close();
    return verdict;
}

static bool rsa_signed(const struct jws_key *key, const unsigned char hash[HASH_SIZE],
                       const unsigned char *signature, size_t len) {
    unsigned char signed_hash[HASH_SIZE];
    const br_rsa_public_key public = {.n = (unsigned char *)(uintptr_t)key->key,
                                      .nlen = key->len,
                                      .e = (unsigned char *)(uintptr_t)key->exponent,
                                      .elen = key->exponent_len};
    return len == key->len &&
           br_rsa_pkcs1_vrfy_get_default()(signature, len, BR_HASH_OID_SHA256, sizeof signed_hash, &public,
                                           signed_hash) == 1 &&
           memcmp(signed_hash, hash, sizeof signed_hash) == 0;
}

static bool p256_signed(const struct jws_key *key, const unsigned char hash[HASH_SIZE],
                        const unsigned char *signature, size_t len) {
    const br_ec_public_key public = {
        .curve = BR_EC_secp256r1, .q = (unsigned char *)(uintptr_t)key->key, .qlen = key->len};
    return len == P256_SIGNATURE &&
           br_ecdsa_i31_vrfy_raw(&br_ec_p256_m31, hash, HASH_SIZE, &public, signature, len) == 1;
}

static enum jws_verdict check(const struct jws_key *key, const char *token, const char *signature,
                              size_t len) {
    unsigned char hash[HASH_SIZE], raw[JWS_RSA_MAX];
    size_t n;
    enum err e = base64url_decode(signature, len, raw, sizeof raw, &n);
    if (e != ERR_OK)
        return e == ERR_TOO_LONG ? JWS_FORGED : JWS_MALFORMED;
    hash_sha256(token, (size_t)(signature - 1 - token), hash);
    return (key->rsa ? rsa_signed(key, hash, raw, n) : p256_signed(key, hash, raw, n)) ? JWS_SIGNED
                                                                                       : JWS_FORGED;
}

enum jws_verdict jws_verify(const struct jws_keys *keys, const char *token, size_t len) {
    const char *end = token + len;
    const char *dot1 = memchr(token, '.', len);
    const char *dot2 = dot1 != NULL ? memchr(dot1 + 1, '.', (size_t)(end - dot1 - 1)) : NULL;
    if (dot2 == NULL || memchr(dot2 + 1, '.', (size_t)(end - dot2 - 1)) != NULL)
        return JWS_MALFORMED;
    struct header header;
    enum jws_verdict verdict = read_header(token, (size_t)(dot1 - token), &header);
    if (verdict != JWS_SIGNED)
        return verdict;
    if (!header.has_id && keys->count > 1)
        return JWS_NO_KEY_ID;
    const struct jws_key *key = header.has_id ? find(keys, header.id) : &keys->keys[0];
    if (key == NULL || keys->count == 0)
        return JWS_UNKNOWN_KEY;
    if (key->rsa != header.rsa)
        return JWS_NOT_ALLOWED;
    return check(key, token, dot2 + 1, (size_t)(end - dot2 - 1));
}

const char *jws_verdict_text(enum jws_verdict verdict) {
    switch (verdict) {
    case JWS_SIGNED:
        return "is signed by the cluster";
    case JWS_MALFORMED:
        return "is not a signed JSON web token";
    case JWS_NOT_ALLOWED:
        return "is signed in a way that is not accepted (only RS256 and ES256 are, as its key says)";
    case JWS_NO_KEY_ID:
        return "does not name the key that signed it";
    case JWS_UNKNOWN_KEY:
        return "names a key that the cluster does not have";
    case JWS_FORGED:
        break;
    }
    return "has a signature that is not the cluster's";
}
