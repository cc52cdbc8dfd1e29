/* The TLS profile: what libcurl's BearSSL back end offers to a server.
 *
 * libcurl calls br_ssl_client_init_full(), which enables everything that BearSSL has, 3DES and TLS 1.0
 * included. This definition takes its place at link time (the Makefile puts our library ahead of BearSSL's):
 * TLS 1.2, forward secrecy and AES-GCM only, which every AWS endpoint speaks, the FIPS ones too. It also
 * keeps some 40 kB of code out of the programs. The implementations are the constant-time ones with the least
 * code: a handshake happens once in hours. */
#include <bearssl.h>

void br_ssl_client_init_full(br_ssl_client_context *client, br_x509_minimal_context *x509,
                             const br_x509_trust_anchor *anchors, size_t anchor_count) {
    static const uint16_t suites[] = {
        BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    };
    static const struct {
        int id;
        const br_hash_class *hash;
    } hashes[] = {{br_sha256_ID, &br_sha256_vtable},
                  {br_sha384_ID, &br_sha384_vtable},
                  {br_sha512_ID, &br_sha512_vtable}};
    br_ssl_engine_context *engine = &client->eng;

    br_ssl_client_zero(client);
    br_ssl_engine_set_versions(engine, BR_TLS12, BR_TLS12);
    br_ssl_engine_set_suites(engine, suites, sizeof suites / sizeof suites[0]);
    br_ssl_engine_set_rsavrfy(engine, &br_rsa_i31_pkcs1_vrfy);
    br_ssl_engine_set_ec(engine, &br_ec_prime_i31);
    br_ssl_engine_set_ecdsa(engine, &br_ecdsa_i31_vrfy_asn1);
    br_ssl_engine_set_prf_sha256(engine, &br_tls12_sha256_prf);
    br_ssl_engine_set_prf_sha384(engine, &br_tls12_sha384_prf);
    br_ssl_engine_set_gcm(engine, &br_sslrec_in_gcm_vtable, &br_sslrec_out_gcm_vtable);
    br_ssl_engine_set_aes_ctr(engine, &br_aes_ct_ctr_vtable);
    br_ssl_engine_set_ghash(engine, &br_ghash_ctmul);

    br_x509_minimal_init(x509, &br_sha256_vtable, anchors, anchor_count);
    br_x509_minimal_set_rsa(x509, &br_rsa_i31_pkcs1_vrfy);
    br_x509_minimal_set_ecdsa(x509, &br_ec_prime_i31, &br_ecdsa_i31_vrfy_asn1);
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        br_ssl_engine_set_hash(engine, hashes[i].id, hashes[i].hash);
        br_x509_minimal_set_hash(x509, hashes[i].id, hashes[i].hash);
    }
    br_ssl_engine_set_x509(engine, &x509->vtable);
}
