#include "common/serve/tls_server_curves.h"

/* By curve: bit N of supported_curves is curve N, and no other is asked for. */
static const br_ec_impl *of(int curve) {
    return curve == BR_EC_curve25519 ? &br_ec_c25519_m31 : &br_ec_p256_m31;
}

static const unsigned char *generator(int curve, size_t *len) {
    return of(curve)->generator(curve, len);
}

static const unsigned char *order(int curve, size_t *len) {
    return of(curve)->order(curve, len);
}

static size_t xoff(int curve, size_t *len) {
    return of(curve)->xoff(curve, len);
}

static uint32_t mul(unsigned char *point, size_t point_len, const unsigned char *x, size_t len, int curve) {
    return of(curve)->mul(point, point_len, x, len, curve);
}

static size_t mulgen(unsigned char *point, const unsigned char *x, size_t len, int curve) {
    return of(curve)->mulgen(point, x, len, curve);
}

static uint32_t muladd(unsigned char *a, const unsigned char *b, size_t len, const unsigned char *x,
                       size_t x_len, const unsigned char *y, size_t y_len, int curve) {
    return of(curve)->muladd(a, b, len, x, x_len, y, y_len, curve);
}

const br_ec_impl tls_server_curves = {
    1U << BR_EC_curve25519 | 1U << BR_EC_secp256r1, generator, order, xoff, mul, mulgen, muladd,
};
