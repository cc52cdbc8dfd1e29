/* Signatures: what is sound is taken, and every known forgery refused. The tokens below were signed by
 * another library; the first two sets are RFC 7515's own, A.2 and A.3. */
#include "tests/unit/unit.h"

#include "common/pod/jws.h"
#include "common/text/base64url.h"

#define RSA_N                                                                                                \
    "oxJM0uXgBHFO8zwBpjyEXxbAX0wjZljt7Py-H01Rh3BCDUFpRjA3ADrt22Bxumx35E24wv75XwEX-OA6zhTzHRLUCYXq"           \
    "F073r3DRPUIElQzVRml0HWVOwY62v14JubuXQvOq98X8K6Cdt2H5iOu8chT1RuYPomNVn-Wd2OY-H3vY6nOrnR4Xdnu5"           \
    "JktI3zDC2B8KGb1q0oncltkFz8yNGK6xYkaupwkV8OSbZijGvLXgeSqyzTvluJcAgpV7cJ81D3O43_9EK_delZwPcJ3Z"           \
    "lAyU2wpZT7XAjtLW_5oODEWYEFaoAT6_4Q7Ri-E7321ShBs4N7cZUoutwExowYHcdQ"
#define EC_X "0Yej3D9wAaJ5wbs8Wf4SC3HvBVoFSu0CjS9HxACfkr0"
#define EC_Y "jQ6-01YCJskK05arA97oz_kl13QQYLCrjIPZ40NXa5k"
#define SMALL_N                                                                                              \
    "v3EmPj_eV9m57qq89CjImfip6EH58YEWGrc2HnVu6p5VyaK1VEmFFsQGojVR9oy4WH7Ri02wStS7608CFqpcgCN1JhQv"           \
    "Pqky9XVX-nnzE-pYE2bnpZb06H8CksTuJZR-lPIrYZ8fm3jYlyh2JgxinZoJ0nDtm_INsTzg7aYJDYc"
#define EC2_X "vkUDTk2Rj88xDxAK2prkdytbHlSbjXfXtQT4wP34jA4"
#define EC2_Y "dBXPOEIYW2RhBXex7x3scpzPSw19PM-2QAs3qLKcYVQ"
#define RS_GOOD                                                                                              \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InIifQ.eyJzdWIiOiAic3lzdGVtOnNlcnZpY2VhY2NvdW50OnNob3A6Y2FydCJ9."           \
    "dnOnzD9sd5bwL2YGnaRWO1YSJKyOeP3GN9Wfks-sPLyPHGg2zWfLG1Y3WenAf_8Aig_RQ25ZczLbG6br9z_hNab2bsH-"           \
    "tWqV2oW8yxyvaV3nUVc8IqaPHj4LnbzoHrrh9fvK13-g3kZdr163YdD_ECuIu8Gp4T8EutK2sTmw8aCOqEKDapnqYjiY"           \
    "hBqgd7LEEDS9QWtyIBF2Upt97yfMSV8wYxmHaP1tv23537ETXZKKtQugkD2KixxRoKNzN_7rg3uo54gjN_ULcvRIF43J"           \
    "vzKQTxIpKxtl_c4Z3mbjBJmilYoAf4osvgVl08dBANf5hnadEqWwSk8uoPfbAy1e6g"
#define ES_GOOD                                                                                              \
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJzdWIiOiAic3lzdGVtOnNlcnZpY2VhY2NvdW50OnNob3A6Y2FydCJ9."           \
    "4mdyu4hQklEJ8sB8d5Ncw0Kf3KkdioawIpYVNaIdCgHdSktGjRPPYr3elUWj0rq2FGCYlkmtCbzCInRMakSCzQ"
#define RS_SHA512                                                                                            \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InIifQ.eyJzdWIiOiAic3lzdGVtOnNlcnZpY2VhY2NvdW50OnNob3A6Y2FydCJ9."           \
    "cClHj-OWeYKitICljlSCjeeCS2yql0m0Ey40IxmWxGYqZFhbMEDyxuqNEx0VoSqZDDKk_r7DLUJT-27plmOZHuXf0RbH"           \
    "MB-cunYPVdDIl7S-AFi_frkhJDBEvvBxcrL4dKGd96arr0T0te0dasz8IuhMF2D44osagk90hMMyhcbojsC2fGzk9Bdr"           \
    "bm0gXh5xXqhLq7qfwjNixa7VOwcnBSEnCDrhGtjeEh3SfMIZQe6_2iKMnQgJGJJnE6WR4DkhIvwEPitG3wHHRMF5Aqvl"           \
    "bRK5LtlFuPeWMMQhbD7crX3zsxcSpAN_sKp0NXlGEt_NsstBdpX4XRVHvufD-6SqKA"
#define RS_PSS                                                                                               \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InIifQ.eyJzdWIiOiAic3lzdGVtOnNlcnZpY2VhY2NvdW50OnNob3A6Y2FydCJ9."           \
    "lKc79CD-wvp6x7JrLbB5ft_lf7KjJRzk6fNJTb4NBx0kOvtDLc_e_jFnaSP-6irPPN7LAyjuV4KYNIKSKQ6zrKpAxcza"           \
    "FRn_9oNHeyiSj-zUTvd2kKPpeiQ6KLlW7nqPR3oTRJ51wCEQB7zQVdRju9JoIm7JrGAPxBxjSja4P0NPjGqKEqKznhsE"           \
    "oI-PdQdQ1Gf01XuEif5eQRZnZYbGTjQvei_tjZqMNf3nQOsJ-FX63z4f3TLDRUnhRHEED8h4nnu7R-a-dqtfqK-D22eu"           \
    "J2m5ote59amBroS6Vlchx8GJY7nT45I3_dpeqA1bmtfUvY21XNWAM7S2581NNCS7fw"
#define ES_OTHER                                                                                             \
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJzdWIiOiAic3lzdGVtOnNlcnZpY2VhY2NvdW50OnNob3A6Y2FydCJ9."           \
    "TI72Ik6RgQ0d1xQjsLvBpftTE0WOXxey2rjbTg7Tbh-ibQrZF8TYKgmYNqG8OtivnEJ1CTFk5o1J8anTJC_SBQ"
#define ES_DER                                                                                               \
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJzdWIiOiAic3lzdGVtOnNlcnZpY2VhY2NvdW50OnNob3A6Y2FydCJ9."           \
    "MEUCIGSp3Y-MlVUEkmoeazXgeeOpJUd_eP5S1qJP9WFZxJ6eAiEA2xrVbHf4b4bLR9PyuyyR6VcwO_uySPw4I7djFrD2"           \
    "QYU"
#define DUP                                                                                                  \
    "eyJhbGciOiJub25lIiwiYWxnIjoiUlMyNTYiLCJraWQiOiJyIn0.eyJzdWIiOiAic3lzdGVtOnNlcnZpY2VhY2NvdW50"           \
    "OnNob3A6Y2FydCJ9.mykYb917qrKtFg3Xn_zR_5P5CxH0nmMEQbD7s4Mk0kaVG4Ots7-3Kg7fYXQvqSnzbKZ1KhOEqOF"           \
    "ZCRSwxe4OVxUTEhqV4agsjM1ztss0ODOa0voS6Dw97uDx8SLWmlPO44jXgS-U9bYo6NDARyNBpdRGNx1g4GYpVr2Ryej"           \
    "hG0bhUeXGOIuCfbgV6BcobM_mUzgd3vZioDynYMp_KKmPFpunpRqBo7OdV6k67iwqqcUTeDLtJNea-eDTf1s-xpb8hPQ"           \
    "Y76emNuqA3cwVpqIzcI7rNkZQTlqD9LUIEg5xEjeTfz8JspWiABE5OscSScZIVhzLOiB6MbtZmpUfLYm1-w"
#define DUP_KID                                                                                              \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImUiLCJraWQiOiJyIn0.eyJzdWIiOiAic3lzdGVtOnNlcnZpY2VhY2NvdW50OnNo"           \
    "b3A6Y2FydCJ9.iuoS3E_92ZDtjh4DGEed8qH7od60JKlu3c9243IC0MWNyColK0JIP93GLBywdT5j0EhwiSMIOtPZKxu"           \
    "QUybIilXwHBRgPsfszAuXP3UnJdGyHGKIANIhWROOdQsO68uAfaHsClHvFV3BHOK33wOunoY5E10JGu89_rGTO2C7Ell"           \
    "MXHjKMo7JMS1OVc0xScqODLWTNJ6sQev-_PnBovS4JCwf0Bw2AebhDQG0OeZvuJHe98JAvwyqwu0_D6fcACQrxs1mdak"           \
    "pGixPNBoMsC8HeQZBatsBJgNE1wEE68cLSLEBAUMUYiE2Cm79OASjdABmyOYtq3aosBm4sgeg8-VnaQ"
#define CRIT                                                                                                 \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InIiLCJjcml0IjpbImI2NCJdLCJiNjQiOmZhbHNlfQ.eyJzdWIiOiAic3lzdGVtO"           \
    "nNlcnZpY2VhY2NvdW50OnNob3A6Y2FydCJ9.VKvmqRjGMDK5x0rJ_Ylhjxtl19xWL251vE6kc-evF3Yh28e9F4HxRhHV"           \
    "9oDsVwiesZqDhYK3tQwq83mYgru92_PWROkbFiwbjAY5soYTXoR_fpPjQL1yg2eXu8bzsqavDC44JH8ZQF71tC6ZtlTe"           \
    "jLn47lgGH1CQguDmxRlqhyz4g2j7OWSXXI7EbSFOe0pMvIagpu99Pd87YZd5LyRmQwyWxPwCUjTzEhkdPum_p2kx0ndf"           \
    "z7vSF-U9lzXNFG0BlCP5Eu14xJhq3ADQuETv-rVZYFyA_WBvJ7NemVF6w-uX_bqARFpzvNCFUrOaq7T-2VMxVNGwmU-q"           \
    "N-hQ14ukQA"
#define SMALL                                                                                                \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InMifQ.eyJzdWIiOiAic3lzdGVtOnNlcnZpY2VhY2NvdW50OnNob3A6Y2FydCJ9."           \
    "h_ZjBoqRCEyklrcaqKbHtUTi-bVPsye-93tmP_gQ2vY2u2qSxsXTs6C36R9QiLjmtqfZiBAP3urJxexYgR124NTM5a87"           \
    "90dEKLIRTemE7jf5pk7bSPqX-8Q8LAIXdyrtCVqtzlZxGhcew4BVygJULQhLXNgvDOdkI824e4OrwrQ"
#define NO_KID                                                                                               \
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiAic3lzdGVtOnNlcnZpY2VhY2NvdW50OnNob3A6Y2FydCJ9.Zo-wznICPaJfDa"           \
    "a1AlNn5MPzeoURxJlFIrwgv29AY_iA0oMeeW1Pids5JwzzOiv6lx4jzKOF-XOAEssOXip3xmMZH8MD9kFcKxTVdyCkdG"           \
    "xaiT8tcDmspd-_IaAx7Rd_OikXJgZS4_5hD9A_LG8gX59_o4Ssnop64Ps4n1lgleq8NWyKwpV6ClPlBj3y6M1w-v3-sS"           \
    "XX1zlmHfyPyQ2TYjbAB2bVpWdrhDjVdugKyzV_htmGy5YcEiqIyRSHxypklpkAbC11SKg1dkn3hROcrmzuK1bq9b7KxR"           \
    "AMiq60Pa-5Ca-mw-nGFJazP2Qfw3EzGfFeKOPaBYWQSmFJG1F1rg"
#define RS_SHORT_PAD                                                                                         \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InIifQ.eyJzdWIiOiAic3lzdGVtOnNlcnZpY2VhY2NvdW50OnNob3A6Y2FydCJ9."           \
    "XbgbhFSfgmArmj0H4n88C5QMLrSxhpKZNQIkyK__tRDNxbNq-GlbWfRPB4s4qZbmTkFq6rn1IDOjAZrnWswDvFi64j2P"           \
    "aT85G2RjtmzPzB7jIyxX07i95_pFpJCAzBUlXLpoN93ZwKA3RGuoeQIo3R_cze_vxndCS4K-25U1P65gasCITi3jeakK"           \
    "0ebGdMMZdveMfC5rSesUP4uK0DdAj0fQ8rk0-i7FYbDOrZDnMyeEVCxU_Ye98OFEs-UVeVjO1C53aUXTO6GEAcBHKz_3"           \
    "bmRxYRVTVtncRTtJBUPgak8gdc1EqXfiXVykpA7Vy5PeWH4LiynCXJeeNOboV9-x0g"
#define RS_TYPE2                                                                                             \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InIifQ.eyJzdWIiOiAic3lzdGVtOnNlcnZpY2VhY2NvdW50OnNob3A6Y2FydCJ9."           \
    "NNfJbS0QWgg2Ylpw-wIF4Bw3uPhqC-K0zHgVqeuu8m7FOlTCSpmdpygSAi1SSNFFn4yRMuEvoqixUIx_4aJ1A-TgcCjB"           \
    "OqWyWy-og3f9beiam0cAqVpF2imlWmh3gqRFazf5Xt8hPi_lFlPrczu1kHgyHaHSibxM1Vkw3fLlni87pDEWE8MoUVP2"           \
    "BollrwqtqtUu-IA21WcwxEF4puYqF98zb3AE_TzKKCiG4rLu15wccuBcdazu3uADTRwsm-UUelXLpJUtC3dy8I0l1das"           \
    "Bpyus73cgtXX5SqwrlZA39-adtinraWc4MtI-N2qgxrxd_lH2MCg8pvn7kPNkgHN1w"
#define RS_NO_OID                                                                                            \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InIifQ.eyJzdWIiOiAic3lzdGVtOnNlcnZpY2VhY2NvdW50OnNob3A6Y2FydCJ9."           \
    "NmUdsOQnLrkN2HPLOXb8XGnpu9BQFRQ-uGblRKrjinXbe6SOWrQwvFqdF4RnmitFL7F0oFlCU9cx2nnFhgyyGZOGM9NN"           \
    "V6L65bCksF-Phmh3mqH8WLKy6ZNl-82PkDJJAlRHsjXJC5Z4ZuH9kR-j_MW4ZbtRLr1JwAkUE8sKkc-ToTQAmpKrhjg-"           \
    "Eo6idOEcjPY3Zr7BThR1rPmheDDu_xrtbvEFRzTSOFMEutsvFuJsPu0K4V9agTddZBF88uPbcF7yzPJKP_hcdcbhjTXS"           \
    "VDgao4MPAoA35dRarMI_qH6ZHoFMBSNCLbLGi5kPrcTLcZewP-JoKvWSgMEcd20BUg"

#define RFC_A2_KEY                                                                                           \
    "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-"  \
    "Vaw"                                                                                                    \
    "-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-"       \
    "bSf63kpa"                                                                                               \
    "SHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_"             \
    "I5IhlJH7aGhyxX"                                                                                         \
    "FvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}]}"
#define RFC_A2_TOKEN                                                                                         \
    "eyJhbGciOiJSUzI1NiJ9."                                                                                  \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290"                   \
    "Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"       \
    "O8W2Fp5ju"                                                                                              \
    "jGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"                                                       \
    "nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZR"                                               \
    "mB_eSN9383LcOLn6_dO--xi12jzDwusC-"                                                                      \
    "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5"                               \
    "AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define RFC_A3_KEY                                                                                           \
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","    \
    "\"y\":\"x_F"                                                                                            \
    "EzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"
#define RFC_A3_TOKEN                                                                                         \
    "eyJhbGciOiJFUzI1NiJ9."                                                                                  \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290"                   \
    "Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"

#define JWK_RSA                                                                                              \
    "{\"kty\":\"RSA\",\"use\":\"sig\",\"alg\":\"RS256\",\"kid\":\"r\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}"
#define JWK_EC                                                                                               \
    "{\"kty\":\"EC\",\"use\":\"sig\",\"kid\":\"e\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}"
#define KEYS "{\"keys\":[" JWK_RSA "," JWK_EC "]}"

static struct jws_keys keys;

static enum err parse(const char *json) {
    const char *wrong = NULL;
    enum err e = jws_keys_parse(guarded(json, strlen(json)), strlen(json), &keys, NULL, &wrong);
    assert_non_null(wrong);
    return e;
}

static enum jws_verdict verify(const char *token) {
    return jws_verify(&keys, guarded(token, strlen(token)), strlen(token));
}

/* HEADER.CLAIMS.SIGNATURE with another header. */
static const char *with_header(const char *header, const char *token) {
    static char out[4096];
    char part[1500];
    base64url_encode((const unsigned char *)header, strlen(header), part);
    snprintf(out, sizeof out, "%s%s", part, strchr(token, '.'));
    return out;
}

static const char *with_signature(const char *token, const unsigned char *signature, size_t len) {
    static char out[4096];
    char part[1500];
    base64url_encode(signature, len, part);
    snprintf(out, sizeof out, "%.*s%s", (int)(strrchr(token, '.') + 1 - token), token, part);
    return out;
}

static void the_examples_of_the_rfc(void **state) {
    (void)state;
    assert_int_equal(parse(RFC_A2_KEY), ERR_OK);
    assert_int_equal(verify(RFC_A2_TOKEN), JWS_SIGNED);
    assert_int_equal(verify(RFC_A3_TOKEN), JWS_NOT_ALLOWED);
    assert_int_equal(parse(RFC_A3_KEY), ERR_OK);
    assert_int_equal(verify(RFC_A3_TOKEN), JWS_SIGNED);
    assert_int_equal(verify(RFC_A2_TOKEN), JWS_NOT_ALLOWED);
}

static void tokens_that_are_signed(void **state) {
    (void)state;
    assert_int_equal(parse(KEYS), ERR_OK);
    assert_int_equal(keys.count, 2);
    assert_int_equal(verify(RS_GOOD), JWS_SIGNED);
    assert_int_equal(verify(ES_GOOD), JWS_SIGNED);
    assert_int_equal(parse("{\"keys\":[" JWK_RSA "]}"), ERR_OK);
    assert_int_equal(verify(NO_KID), JWS_SIGNED);
}

static void forgeries(void **state) {
    (void)state;
    assert_int_equal(parse(KEYS), ERR_OK);
    const struct {
        const char *token;
        enum jws_verdict verdict;
    } rows[] = {
        {RS_SHA512, JWS_FORGED}, {RS_PSS, JWS_FORGED},    {RS_SHORT_PAD, JWS_FORGED},
        {RS_TYPE2, JWS_FORGED},  {RS_NO_OID, JWS_FORGED}, {ES_OTHER, JWS_FORGED},
        {ES_DER, JWS_FORGED},    {DUP, JWS_MALFORMED},    {DUP_KID, JWS_MALFORMED},
        {CRIT, JWS_NOT_ALLOWED}, {NO_KID, JWS_NO_KEY_ID}, {SMALL, JWS_UNKNOWN_KEY},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(verify(rows[i].token), rows[i].verdict);
    const struct {
        const char *header;
        enum jws_verdict verdict;
    } headers[] = {
        {"{\"alg\":\"none\",\"kid\":\"r\"}", JWS_NOT_ALLOWED},
        {"{\"alg\":\"None\",\"kid\":\"r\"}", JWS_NOT_ALLOWED},
        {"{\"alg\":\"HS256\",\"kid\":\"r\"}", JWS_NOT_ALLOWED},
        {"{\"alg\":\"RS512\",\"kid\":\"r\"}", JWS_NOT_ALLOWED},
        {"{\"alg\":\"PS256\",\"kid\":\"r\"}", JWS_NOT_ALLOWED},
        {"{\"alg\":\"ES256\",\"kid\":\"r\"}", JWS_NOT_ALLOWED},
        {"{\"alg\":\"RS256\",\"kid\":\"e\"}", JWS_NOT_ALLOWED},
        {"{\"alg\":[\"RS256\"],\"kid\":\"r\"}", JWS_NOT_ALLOWED},
        {"{\"kid\":\"r\"}", JWS_NOT_ALLOWED},
        {"{\"alg\":\"RS256\",\"kid\":\"R\"}", JWS_UNKNOWN_KEY},
        {"{\"alg\":\"RS256\",\"kid\":\"\"}", JWS_UNKNOWN_KEY},
        {"{\"alg\":\"RS256\",\"kid\":7}", JWS_MALFORMED},
        {"{\"alg\":\"RS256\",\"kid\":null}", JWS_MALFORMED},
        {"{\"alg\":\"RS256\"}", JWS_NO_KEY_ID},
        {"{\"alg\":\"RS256\",\"kid\":\"r\",\"typ\":\"JWT\"}", JWS_FORGED},
        {"[\"RS256\"]", JWS_MALFORMED},
        {"", JWS_MALFORMED},
        {"{\"alg\":\"RS256\",\"kid\":\"r\"", JWS_MALFORMED},
    };
    for (size_t i = 0; i < COUNT(headers); i++)
        assert_int_equal(verify(with_header(headers[i].header, RS_GOOD)), headers[i].verdict);
}

static void every_changed_byte_is_seen(void **state) {
    (void)state;
    static char token[4096];
    assert_int_equal(parse(KEYS), ERR_OK);
    const char *good[] = {RS_GOOD, ES_GOOD};
    for (size_t g = 0; g < COUNT(good); g++) {
        size_t len = strlen(good[g]);
        for (size_t i = 0; i < len; i += g == 0 ? 7 : 3) {
            memcpy(token, good[g], len + 1);
            token[i] = token[i] == 'A' ? 'B' : 'A';
            assert_int_not_equal(verify(token), JWS_SIGNED);
        }
        for (size_t cut = 0; cut < len; cut += 11)
            assert_int_not_equal(jws_verify(&keys, guarded(good[g], cut), cut), JWS_SIGNED);
        snprintf(token, sizeof token, "%s=", good[g]);
        assert_int_equal(verify(token), JWS_MALFORMED);
        snprintf(token, sizeof token, "%s.", good[g]);
        assert_int_equal(verify(token), JWS_MALFORMED);
    }
}

/* r and s of 0, of the group's order and above, and sizes that are not 64. */
static void signatures_out_of_range(void **state) {
    (void)state;
    static const unsigned char order[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0xff, 0xff, 0xff,
                                            0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                            0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    unsigned char signature[512] = {0};
    assert_int_equal(parse(KEYS), ERR_OK);
    assert_int_equal(verify(with_signature(ES_GOOD, signature, 64)), JWS_FORGED);
    memcpy(signature, order, 32);
    memcpy(signature + 32, order, 32);
    assert_int_equal(verify(with_signature(ES_GOOD, signature, 64)), JWS_FORGED);
    memset(signature, 0xff, sizeof signature);
    for (size_t len = 0; len <= sizeof signature; len += 16)
        assert_int_equal(verify(with_signature(ES_GOOD, signature, len)), JWS_FORGED);
    assert_int_equal(verify(with_signature(RS_GOOD, signature, 256)), JWS_FORGED);
    memset(signature, 0, sizeof signature);
    assert_int_equal(verify(with_signature(RS_GOOD, signature, 256)), JWS_FORGED);
    signature[255] = 1; /* 1 to any power is 1 */
    assert_int_equal(verify(with_signature(RS_GOOD, signature, 256)), JWS_FORGED);
    assert_int_equal(verify(with_signature(RS_GOOD, signature, 512)), JWS_FORGED);
}

static void key_sets(void **state) {
    (void)state;
    const struct {
        const char *json;
        enum err result;
    } rows[] = {
        {"", ERR_EMPTY},
        {"[]", ERR_MISSING},
        {"{}", ERR_MISSING},
        {"{\"keys\":{}}", ERR_TYPE},
        {"{\"keys\":[7]}", ERR_TYPE},
        {"{\"keys\":[]}", ERR_MISSING},
        {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\",\"alg\":\"HS256\"}]}", ERR_MISSING},
        {"{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"s\",\"n\":\"" SMALL_N "\",\"e\":\"AQAB\"}]}", ERR_MISSING},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQ\"}]}", ERR_MISSING},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAA\"}]}", ERR_MISSING},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"\"}]}", ERR_MISSING},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"use\":\"enc\"}]}", ERR_MISSING},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"alg\":\"RS512\"}]}", ERR_MISSING},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}]}",
         ERR_MISSING},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"" EC_Y "\"}]}", ERR_MISSING},
        {"{\"keys\":[" JWK_RSA "," JWK_RSA "]}", ERR_RANGE},
        {"{\"keys\":[" JWK_RSA "]", ERR_SYNTAX},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        memset(&keys, 0, sizeof keys);
        keys.count = 1;
        assert_int_equal(parse(rows[i].json), rows[i].result);
        assert_int_equal(keys.count, 1); /* as it was */
    }
    size_t unused = 0;
    const char *json = "{\"keys\":[{\"kty\":\"OKP\"}," JWK_RSA ",{\"kty\":\"EC\"}]}";
    assert_int_equal(jws_keys_parse(json, strlen(json), &keys, &unused, NULL), ERR_OK);
    assert_int_equal(unused, 2);
    assert_int_equal(keys.count, 1);
}

/* A point that is not on the curve verifies nothing, and does no harm. */
static void a_key_off_the_curve(void **state) {
    (void)state;
    assert_int_equal(parse("{\"keys\":[{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\",\"x\":\"" EC_X
                           "\",\"y\":\"" EC2_Y "\"}]}"),
                     ERR_OK);
    assert_int_equal(verify(ES_GOOD), JWS_FORGED);
    assert_int_equal(parse("{\"keys\":[{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\",\"x\":\"" EC2_X
                           "\",\"y\":\"" EC2_Y "\"}]}"),
                     ERR_OK);
    assert_int_equal(verify(ES_GOOD), JWS_FORGED);
    assert_int_equal(verify(ES_OTHER), JWS_SIGNED);
}

static void too_many_keys(void **state) {
    (void)state;
    static char json[16384];
    size_t at = (size_t)snprintf(json, sizeof json, "{\"keys\":[");
    for (int i = 0; i <= JWS_KEYS_MAX; i++)
        at += (size_t)snprintf(json + at, sizeof json - at,
                               "%s{\"kty\":\"EC\",\"kid\":\"%d\",\"crv\":\"P-256\",\"x\":\"" EC_X
                               "\",\"y\":\"" EC_Y "\"}",
                               i > 0 ? "," : "", i);
    snprintf(json + at, sizeof json - at, "]}");
    assert_int_equal(parse(json), ERR_TOO_LONG);
}

static void each_verdict_has_words(void **state) {
    (void)state;
    for (int v = JWS_SIGNED; v <= JWS_FORGED; v++)
        assert_true(strlen(jws_verdict_text((enum jws_verdict)v)) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_rfc),
        cmocka_unit_test(tokens_that_are_signed),
        cmocka_unit_test(forgeries),
        cmocka_unit_test(every_changed_byte_is_seen),
        cmocka_unit_test(signatures_out_of_range),
        cmocka_unit_test(key_sets),
        cmocka_unit_test(a_key_off_the_curve),
        cmocka_unit_test(too_many_keys),
        cmocka_unit_test(each_verdict_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
