/* TLS 1.2, forward secrecy and AEAD only. AES comes first where the processor has it, else ChaCha20, which is
 * three times as fast then. All implementations are constant-time ones. */
#include "common/serve/tls_setup.h"

#include "common/serve/tls_server_curves.h"

static void set_suites(br_ssl_engine_context *engine, bool aes_first) {
    enum { AES = 4, CHACHA = 2 };
    static const uint16_t suites[] = {
        BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,       BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,       BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    };
    br_ssl_engine_set_suites(engine, suites + (aes_first ? CHACHA : 0), AES + CHACHA);
}

static void set_ciphers(br_ssl_engine_context *engine) {
    const br_block_ctr_class *aes = br_aes_x86ni_ctr_get_vtable();
    br_ghash ghash = br_ghash_pclmul_get();
    br_chacha20_run chacha = br_chacha20_sse2_get();
    br_poly1305_run poly = br_poly1305_ctmulq_get();
    set_suites(engine, aes != NULL);
    br_ssl_engine_set_aes_ctr(engine, aes != NULL ? aes : &br_aes_ct64_ctr_vtable);
    br_ssl_engine_set_ghash(engine, ghash != 0 ? ghash : &br_ghash_ctmul64);
    br_ssl_engine_set_gcm(engine, &br_sslrec_in_gcm_vtable, &br_sslrec_out_gcm_vtable);
    br_ssl_engine_set_chacha20(engine, chacha != 0 ? chacha : &br_chacha20_ct_run);
    br_ssl_engine_set_poly1305(engine, poly != 0 ? poly : &br_poly1305_ctmul_run);
    br_ssl_engine_set_chapol(engine, &br_sslrec_in_chapol_vtable, &br_sslrec_out_chapol_vtable);
}

/* For signatures alone: no key exchange goes without forward secrecy. */
static void set_key(br_ssl_server_context *context, const struct tls_identity *t) {
    if (t->ec)
        br_ssl_server_set_single_ec(context, t->chain, t->chain_len, &t->key.key.ec, BR_KEYTYPE_SIGN, 0,
                                    &tls_server_curves, &br_ecdsa_i31_sign_asn1);
    else
        br_ssl_server_set_single_rsa(context, t->chain, t->chain_len, &t->key.key.rsa, BR_KEYTYPE_SIGN, 0,
                                     br_rsa_pkcs1_sign_get_default());
}

void tls_setup(br_ssl_server_context *context, const struct tls_identity *t) {
    static const char *names[] = {"http/1.1"};
    static const struct {
        int id;
        const br_hash_class *hash;
    } hashes[] = {{br_sha256_ID, &br_sha256_vtable},
                  {br_sha384_ID, &br_sha384_vtable},
                  {br_sha512_ID, &br_sha512_vtable}};
    br_ssl_engine_context *engine = &context->eng;
    br_ssl_server_zero(context);
    br_ssl_engine_set_versions(engine, BR_TLS12, BR_TLS12);
    br_ssl_engine_add_flags(engine, BR_OPT_NO_RENEGOTIATION | BR_OPT_ENFORCE_SERVER_PREFERENCES);
    br_ssl_engine_set_protocol_names(engine, names, 1);
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++)
        br_ssl_engine_set_hash(engine, hashes[i].id, hashes[i].hash);
    br_ssl_engine_set_prf_sha256(engine, &br_tls12_sha256_prf);
    br_ssl_engine_set_prf_sha384(engine, &br_tls12_sha384_prf);
    br_ssl_engine_set_rsavrfy(engine, br_rsa_pkcs1_vrfy_get_default());
    br_ssl_engine_set_ec(engine, &tls_server_curves);
    br_ssl_engine_set_ecdsa(engine, &br_ecdsa_i31_vrfy_asn1);
    set_ciphers(engine);
    set_key(context, t);
    if (t->authority_count > 0)
        br_ssl_server_set_trust_anchor_names_alt(context, t->authorities, t->authority_count);
}
