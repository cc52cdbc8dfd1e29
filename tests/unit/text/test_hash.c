#include "tests/unit/unit.h"

#include "common/text/hash.h"

static void check_sha256(const void *data, size_t len, const char *expected) {
    unsigned char hash[HASH_SIZE];
    char hex[HASH_HEX_SIZE];
    hash_sha256(guarded(data, len), len, hash);
    hash_hex(hash, hex);
    assert_string_equal(hex, expected);
}

/* FIPS 180-2, appendix B; the empty text is the payload hash of every GET. */
static void sha256_vectors(void **state) {
    (void)state;
    static char many[200000];
    check_sha256("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_sha256("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    memset(many, 'a', sizeof many);
    check_sha256(many, sizeof many, "2287d207f24a941ff3b56c04c8a25ad56b63e3023207b3bb5b4ac0c9869d74be");
}

static void check_hmac(const void *key, size_t key_len, const void *data, size_t len, const char *expected) {
    unsigned char hash[HASH_SIZE];
    char hex[HASH_HEX_SIZE];
    hash_hmac(key, key_len, data, len, hash);
    hash_hex(hash, hex);
    assert_string_equal(hex, expected);
}

/* RFC 4231. */
static void hmac_vectors(void **state) {
    (void)state;
    unsigned char key[131], data[50];
    memset(key, 0x0b, 20);
    check_hmac(key, 20, "Hi There", 8, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    check_hmac("Jefe", 4, "what do ya want for nothing?", 28,
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    memset(data, 0xdd, sizeof data);
    check_hmac(key, 20, data, 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    check_hmac(key, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 54,
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void the_output_may_be_the_key(void **state) {
    (void)state;
    unsigned char a[HASH_SIZE], b[HASH_SIZE];
    memset(a, 7, sizeof a);
    hash_hmac(a, sizeof a, "x", 1, b);
    hash_hmac(a, sizeof a, "x", 1, a);
    assert_memory_equal(a, b, sizeof a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_vectors),
        cmocka_unit_test(hmac_vectors),
        cmocka_unit_test(the_output_may_be_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
