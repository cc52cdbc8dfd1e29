/* The judge of a server's chain, driven as libcurl's back end does it, with a made-up clock. */
#include "tests/unit/unit.h"

#include <bearssl.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/http/ca_bundle.h"
#include "common/http/tls.h"
#include "common/text/pem.h"

#define CORPUS "tests/fuzz/corpus/bundle/"
#define DAY_MS INT64_C(86400000)
/* The chain of the corpus: its own certificate is good for 90 days from 2026-11-25. */
#define GOOD_MS INT64_C(1796083200000) /* 2026-12-01 */

static br_ssl_client_context client;
static struct tls storage;
static unsigned char bytes[16384];
static char detail_text[256];
static int steps;

static bool send_one(void *context, const struct pem *p, enum err error) {
    const br_x509_class **engine = context;
    assert_int_equal(error, ERR_OK);
    (*engine)->start_cert(engine, (uint32_t)p->len);
    for (size_t i = 0; i < p->len; i += 100)
        (*engine)->append(engine, p->der + i, p->len - i < 100 ? p->len - i : 100);
    (*engine)->end_cert(engine);
    return true;
}

static void send_chain(const char *name, const br_x509_class **engine) {
    static struct pem p;
    static char text[16384];
    char path[128];
    snprintf(path, sizeof path, CORPUS "%s", name);
    int fd = open(path, O_RDONLY);
    ssize_t len = read(fd, text, sizeof text);
    assert_true(len > 0);
    close(fd);
    pem_open(&p, 0);
    assert_true(pem_push(&p, text, (size_t)len, send_one, (void *)engine));
}

struct engine {
    const br_x509_class *vtable;
    int (*check)(const br_x509_class **engine);
};

/* 0: it is trusted. */
static int judge(const char *authorities, const char *chain, const char *host) {
    static char paths[16][128];
    static size_t next;
    struct ca_counts counts;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof paths[0], CORPUS "%s", authorities);
    assert_int_equal(ca_bundle_load(path, &counts, NULL), ERR_OK);
    memset(&storage, 0xA5, sizeof storage); /* of a connection before */
    tls_begin(&client, &storage, path, bytes, sizeof bytes);
    const br_x509_class **engine = client.eng.x509ctx;
    int (*check)(const br_x509_class **) = ((struct engine *)engine)->check;
    (*engine)->start_chain(engine, host);
    assert_true(check(engine) < 0); /* nothing has come: not good */
    send_chain(chain, engine);
    int result = (int)(*engine)->end_chain(engine);
    for (steps = 0; result == 0 && steps < 50; steps++) {
        result = check(engine);
        if (result == 0)
            break;
        result = result < 0 ? 0 : result;
    }
    assert_in_range(steps, 0, 49);
    return result;
}

static enum http_result verdict(int error) {
    struct buf detail = BUF(detail_text);
    return tls_verdict(&storage, error, &detail);
}

static void good_chains(void **state) {
    (void)state;
    fake_clock(0, GOOD_MS);
    assert_int_equal(judge("p521", "chain", "sts.amazonaws.com"), 0);
    assert_true(steps >= 2); /* no two public key operations in one */
    assert_int_equal(judge("p521", "disorder", "sts.amazonaws.com"), 0);
    assert_int_equal(judge("ec", "ec", "127.0.0.1"), 0); /* its own authority */
}

static void times_are_told_apart(void **state) {
    (void)state;
    fake_clock(0, GOOD_MS + 200 * DAY_MS);
    assert_int_equal(verdict(judge("p521", "chain", "sts.amazonaws.com")), HTTP_TLS_EXPIRED);
    assert_non_null(strstr(detail_text, "until 2027-02-2"));
    assert_non_null(strstr(detail_text, "it is 2027-06-19T00:00:00Z here"));
    fake_clock(0, GOOD_MS - 200 * DAY_MS);
    assert_int_equal(verdict(judge("p521", "chain", "sts.amazonaws.com")), HTTP_TLS_EARLY);
    assert_non_null(strstr(detail_text, "from 2026-11-25T"));
}

static void who_is_not_trusted(void **state) {
    (void)state;
    fake_clock(0, GOOD_MS);
    assert_int_equal(verdict(judge("rsa", "chain", "sts.amazonaws.com")), HTTP_TLS_UNTRUSTED);
    assert_int_equal(verdict(judge("p521", "chain", "sts.amazonaws.com.example")), HTTP_TLS_NAME);
    assert_int_equal(verdict(judge("p521", "chain", "10.0.0.1")), HTTP_TLS_NAME);
    assert_int_equal(verdict(judge("rsa", "large", "sts.amazonaws.com")), HTTP_TLS_KEY);
    assert_int_equal(verdict(judge("rsa", "bp", "sts.amazonaws.com")), HTTP_TLS_ALGORITHM);
    assert_non_null(strstr(detail_text, "curve"));
    assert_int_equal(verdict(judge("rsa", "ed", "sts.amazonaws.com")), HTTP_TLS_ALGORITHM);
}

static void too_much_is_an_error(void **state) {
    (void)state;
    const br_x509_class **engine;
    fake_clock(0, GOOD_MS);
    tls_begin(&client, &storage, CORPUS "rsa", bytes, 1000);
    engine = client.eng.x509ctx;
    (*engine)->start_chain(engine, "sts.amazonaws.com");
    send_chain("rsa", engine);
    send_chain("rsa", engine);
    assert_int_equal(verdict((int)(*engine)->end_chain(engine)), HTTP_TLS_CHAIN);
    assert_non_null(strstr(detail_text, "16384"));
    tls_begin(&client, &storage, CORPUS "rsa", bytes, sizeof bytes);
    (*engine)->start_chain(engine, "sts.amazonaws.com");
    for (int i = 0; i < 11; i++)
        send_chain("ec", engine);
    assert_int_equal(verdict((int)(*engine)->end_chain(engine)), HTTP_TLS_CHAIN);
    tls_begin(&client, &storage, CORPUS "rsa", bytes, sizeof bytes);
    (*engine)->start_chain(engine, "sts.amazonaws.com");
    assert_true((*engine)->end_chain(engine) > 0); /* none at all */
    assert_true(((struct engine *)engine)->check(engine) > 0);
}

/* Every number has words, and every verdict a remedy. */
static void all_errors_have_words(void **state) {
    (void)state;
    for (int error = 0; error < 800; error++) {
        enum http_result result = verdict(error);
        assert_true(http_result_of_tls(result) || result == HTTP_TLS_CLOSED);
        assert_true(strlen(http_result_text(result)) > 10);
        assert_true(strlen(http_result_tls_remedy(result)) > 20);
        assert_null(strstr(http_result_tls_remedy(result), "NetworkPolic"));
        assert_true(strlen(detail_text) < HTTP_DETAIL_MAX);
    }
    assert_int_equal(verdict(256 + 70), HTTP_TLS_VERSION);
    assert_int_equal(verdict(256 + 40), HTTP_TLS_CIPHER);
    assert_int_equal(verdict(256 + 112), HTTP_TLS_NAME);
}

/* What is offered: TLS 1.2, and no other version. */
static void the_profile(void **state) {
    (void)state;
    tls_begin(&client, &storage, CORPUS "rsa", bytes, sizeof bytes);
    assert_int_equal(client.eng.version_min, BR_TLS12);
    assert_int_equal(client.eng.version_max, BR_TLS12);
    assert_int_equal(client.eng.suites_num, 4);
    assert_true(br_ssl_engine_get_flags(&client.eng) & BR_OPT_NO_RENEGOTIATION);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_chains),           cmocka_unit_test(times_are_told_apart),
        cmocka_unit_test(who_is_not_trusted),    cmocka_unit_test(too_much_is_an_error),
        cmocka_unit_test(all_errors_have_words), cmocka_unit_test(the_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
