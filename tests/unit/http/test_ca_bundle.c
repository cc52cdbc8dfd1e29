/* Bundles as files, and what stands in certificates. The certificates are those of the fuzz corpus. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/http/ca_anchor.h"
#include "common/http/ca_bundle.h"
#include "common/text/pem.h"

#define CORPUS "tests/fuzz/corpus/bundle/"

/* The first certificate of a file. */
static unsigned char der[PEM_DER_MAX];
static struct certificate first;

static bool keep(void *context, const struct pem *p, enum err error) {
    (void)context;
    assert_int_equal(error, ERR_OK);
    memcpy(der, p->der, p->len);
    assert_true(certificate_read(der, p->len, &first));
    return false;
}

static const struct certificate *open_first(const char *name) {
    static struct pem p;
    static char text[16384];
    char path[128];
    snprintf(path, sizeof path, CORPUS "%s", name);
    int fd = open(path, O_RDONLY);
    ssize_t len = read(fd, text, sizeof text);
    assert_true(len > 0);
    close(fd);
    pem_open(&p, 0);
    assert_false(pem_push(&p, text, (size_t)len, keep, NULL));
    return &first;
}

static void copy_to(const char *path, const char *const *names) {
    static char text[16384];
    int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (; *names != NULL; names++) {
        char from[128];
        snprintf(from, sizeof from, CORPUS "%s", *names);
        int in = open(from, O_RDONLY);
        ssize_t len = read(in, text, sizeof text);
        assert_true(len > 0);
        assert_int_equal(write(out, text, (size_t)len), len);
        close(in);
    }
    close(out);
}
#define COPY(path, ...) copy_to(path, (const char *const[]){__VA_ARGS__, NULL})

/* A bundle is known by where its path stands. */
static const char *in_folder(const char *name) {
    static char paths[8][256];
    static size_t next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_folder(), name);
    return path;
}

static void usable_and_not(void **state) {
    (void)state;
    struct ca_counts n;
    char text[256];
    struct buf b = BUF(text);
    const char *path = in_folder("mixed");
    bool changed;
    COPY(path, "rsa", "ed", "large", "ec", "bp", "trusted", "cut");
    assert_int_equal(ca_bundle_load(path, &n, &changed), ERR_OK);
    assert_true(changed);
    assert_int_equal(n.usable, 3);
    assert_int_equal(n.unusable[CA_KIND], 2);
    assert_int_equal(n.unusable[CA_LARGE], 1);
    assert_int_equal(n.unusable[CA_BROKEN], 1);
    assert_true(ca_bundle_unusable(&n, &b));
    assert_string_equal(
        text, "4 of 7 certificates cannot be used: 1 not to be decoded, 2 with a key other than RSA, "
              "P-256, P-384 and P-521, 1 with an RSA key of more than 4096 bits");
    assert_int_equal(ca_bundle_load(path, &n, &changed), ERR_OK);
    assert_false(changed);
    assert_int_equal(n.usable, 3);
    path = in_folder("good");
    COPY(path, "rsa", "ec");
    buf_reset(&b);
    assert_int_equal(ca_bundle_load(path, &n, &changed), ERR_OK);
    assert_false(ca_bundle_unusable(&n, &b)); /* nothing is said of a file that is well */
    assert_string_equal(text, "");
}

static size_t load(const char *path, bool *changed) {
    struct ca_counts n;
    assert_int_equal(ca_bundle_load(path, &n, changed), ERR_OK);
    return n.usable;
}

/* Two files that are asked in turn are read once each; a third one takes the place of the one that was not
 * used last. */
static void two_in_turn(void **state) {
    (void)state;
    const char *aws = in_folder("aws.pem"), *cluster = in_folder("cluster.pem"),
               *third = in_folder("third.pem");
    bool changed;
    COPY(aws, "rsa", "ec");
    COPY(cluster, "rsa");
    COPY(third, "rsa");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(load(aws, &changed), 2);
        assert_int_equal(changed, i == 0);
        assert_int_equal(load(cluster, &changed), 1);
        assert_int_equal(changed, i == 0);
    }
    COPY(cluster, "rsa", "ec"); /* one that changes is read again, and the other is not */
    assert_int_equal(load(cluster, &changed), 2);
    assert_true(changed);
    assert_int_equal(load(aws, &changed), 2);
    assert_false(changed);
    assert_int_equal(load(third, &changed), 1);
    assert_true(changed);
    assert_int_equal(load(aws, &changed), 2);
    assert_false(changed);
    assert_int_equal(load(cluster, &changed), 2);
    assert_true(changed);
    unlink(cluster); /* what cannot be read leaves the others alone */
    struct ca_counts n;
    assert_int_equal(ca_bundle_load(cluster, &n, &changed), ERR_SYSTEM);
    assert_int_equal(load(aws, &changed), 2);
    assert_false(changed);
}

static void what_cannot_be_read(void **state) {
    (void)state;
    struct ca_counts n;
    const char *fifo = in_folder("fifo"), *empty = in_folder("empty"), *bad = in_folder("bad");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    close(open(empty, O_WRONLY | O_CREAT, 0600));
    COPY(bad, "large");
    assert_int_equal(ca_bundle_load(fifo, &n, NULL), ERR_NOT_FILE);
    assert_int_equal(ca_bundle_load("/", &n, NULL), ERR_NOT_FILE);
    assert_int_equal(ca_bundle_load("/dev/null", &n, NULL), ERR_NOT_FILE);
    assert_int_equal(ca_bundle_load(in_folder("absent"), &n, NULL), ERR_SYSTEM);
    assert_int_equal(ca_bundle_load(empty, &n, NULL), ERR_EMPTY);
    assert_int_equal(ca_bundle_load(bad, &n, NULL), ERR_MISSING);
    assert_int_equal(n.unusable[CA_LARGE], 1);
    assert_int_equal(truncate(empty, CA_BUNDLE_FILE_MAX + 1), 0);
    assert_int_equal(ca_bundle_load(empty, &n, NULL), ERR_TOO_LONG);
}

static void explained(void **state) {
    (void)state;
    char text[256];
    struct buf out = BUF(text);
    ca_bundle_explain("/absent/bundle", &out);
    assert_string_equal(text, "/absent/bundle: No such file or directory");
    out = BUF(text);
    ca_bundle_explain("/", &out);
    assert_string_equal(text, "/: not a regular file");
}

static void found_by_name(void **state) {
    (void)state;
    struct ca_counts n;
    struct ca_anchor found[4];
    size_t count;
    const char *path = in_folder("named");
    COPY(path, "rsa", "rsa", "ec", "v1", "ec");
    assert_int_equal(ca_bundle_load(path, &n, NULL), ERR_OK);
    assert_int_equal(n.usable, 5);
    const struct certificate *c = open_first("rsa"); /* ec has the same name */
    assert_int_equal(ca_bundle_find(path, c->subject.bytes, c->subject.len, found, 4, &count), ERR_OK);
    assert_int_equal(count, 2);
    assert_int_equal(found[0].anchor.pkey.key_type, BR_KEYTYPE_RSA);
    assert_int_equal(found[0].anchor.pkey.key.rsa.nlen, 256);
    assert_ptr_equal(found[0].anchor.pkey.key.rsa.n, found[0].key); /* not in the decoder, which is gone */
    assert_ptr_equal(found[0].anchor.pkey.key.rsa.e, found[0].key + 256);
    assert_int_equal(found[0].anchor.pkey.key.rsa.elen, 3);
    assert_memory_equal(found[0].anchor.pkey.key.rsa.e, "\1\0\1", 3);
    assert_int_equal(found[1].anchor.pkey.key_type, BR_KEYTYPE_EC);
    assert_int_equal(ca_bundle_find(path, c->subject.bytes, c->subject.len, found, 1, &count), ERR_TOO_LONG);
    c = open_first("v1");
    assert_true(c->version1);
    assert_int_equal(ca_bundle_find(path, c->subject.bytes, c->subject.len, found, 4, &count), ERR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(found[0].anchor.flags, BR_X509_TA_CA);
    /* It is another file now. */
    COPY(path, "p521");
    assert_int_equal(ca_bundle_find(path, c->subject.bytes, c->subject.len, found, 4, &count), ERR_OK);
    assert_int_equal(count, 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ca_bundle_find(path, c->subject.bytes, c->subject.len, found, 4, &count), ERR_SYSTEM);
}

static void names_are_compared(void **state) {
    (void)state;
    static const struct {
        const char *host;
        bool is;
    } hosts[] = {{"sts.amazonaws.com", true},
                 {"STS.AmazonAWS.com", true},
                 {"sts.amazonaws.co", false},
                 {"x.sts.amazonaws.com", false},
                 {"a.example.com", true},
                 {"a.b.example.com", false},
                 {"example.com", false},
                 {".example.com", false},
                 {"127.0.0.1", true},
                 {"127.0.0.2", false},
                 {"::1", false},
                 {"", false}};
    const struct certificate *c = open_first("rsa");
    for (size_t i = 0; i < COUNT(hosts); i++) {
        if (certificate_is_for(c, hosts[i].host) != hosts[i].is)
            fail_msg("%s", hosts[i].host);
    }
    assert_false(certificate_is_for(open_first("v1"), "v1")); /* its common name */
}

static void extensions_are_found(void **state) {
    (void)state;
    struct der value;
    bool critical;
    assert_true(certificate_extension(open_first("p521"), CERTIFICATE_NAME_CONSTRAINTS, &value, &critical));
    assert_true(critical && value.len > 0);
    assert_false(certificate_extension(open_first("rsa"), CERTIFICATE_NAME_CONSTRAINTS, &value, &critical));
    assert_true(certificate_for_servers(open_first("rsa"))); /* says nothing about it */
    assert_true(certificate_for_servers(open_first("ec")));
}

/* Cut anywhere, it is no certificate, and nothing beyond is read. */
static void cut_anywhere(void **state) {
    (void)state;
    struct certificate c;
    size_t whole = open_first("rsa")->len;
    for (size_t len = 0; len < whole; len++) {
        unsigned char *exact = malloc(len > 0 ? len : 1);
        memcpy(exact, der, len);
        assert_false(certificate_read(exact, len, &c));
        free(exact);
    }
    assert_true(certificate_read(der, whole, &c));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usable_and_not),      cmocka_unit_test(explained),
        cmocka_unit_test(what_cannot_be_read), cmocka_unit_test(found_by_name),
        cmocka_unit_test(names_are_compared),  cmocka_unit_test(extensions_are_found),
        cmocka_unit_test(cut_anywhere),        cmocka_unit_test(two_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
