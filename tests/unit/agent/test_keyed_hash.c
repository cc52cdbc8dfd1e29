#include "agent/keyed_hash.h"

#include "tests/unit/unit.h"

/* The test vectors of the reference implementation (vectors.h, SipHash-2-4 with 128 bits): key 00 01 … 0f,
 * input the first bytes of 00 01 02 …. */
static void the_reference_vectors(void **state) {
    static const struct {
        size_t len;
        unsigned char out[16];
    } vectors[] = {
        {0, {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93}},
        {1, {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45}},
        {2, {0x81, 0x77, 0x22, 0x8d, 0xa4, 0xa4, 0x5d, 0xc7, 0xfc, 0xa3, 0x8b, 0xde, 0xf6, 0x0a, 0xff, 0xe4}},
        {8, {0x3b, 0x62, 0xa9, 0xba, 0x62, 0x58, 0xf5, 0x61, 0x0f, 0x83, 0xe2, 0x64, 0xf3, 0x14, 0x97, 0xb4}},
    };
    const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    unsigned char input[16];
    (void)state;
    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (unsigned char)i;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        struct keyed_hash out = keyed_hash_with(key, guarded(input, vectors[i].len), vectors[i].len);
        assert_memory_equal(out.bytes, vectors[i].out, sizeof out.bytes);
    }
}

static void kinds_and_texts_differ(void **state) {
    (void)state;
    assert_true(keyed_hash_open());
    struct keyed_hash pod = keyed_hash('p', "abc", 3), token = keyed_hash('t', "abc", 3),
                      same = keyed_hash('p', "abc", 3);
    assert_false(keyed_hash_equal(&pod, &token));
    assert_true(keyed_hash_equal(&pod, &same));
    struct keyed_hash before = pod;
    assert_true(keyed_hash_open()); /* another key */
    pod = keyed_hash('p', "abc", 3);
    assert_false(keyed_hash_equal(&pod, &before));
}

/* Each byte of a text counts for its place, but those before the last KEYED_HASH_PLACED, and so does its
 * length. */
static void a_place_is_of_every_byte(void **state) {
    static const size_t lengths[] = {
        1, 7, 8, 15, 16, 17, 31, 32, 200, KEYED_HASH_PLACED, KEYED_HASH_PLACED + 3, 1200};
    static char text[1200];
    (void)state;
    assert_true(keyed_hash_open());
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        size_t len = lengths[i], before = len > KEYED_HASH_PLACED ? len - KEYED_HASH_PLACED : 0;
        const char *whole = guarded(text, len);
        uint32_t place = keyed_hash_place(whole, len);
        assert_int_equal(keyed_hash_place(text, len), place);
        for (size_t at = 0; at < len; at++) {
            text[at] = 'b';
            assert_true((keyed_hash_place(text, len) == place) == (at < before));
            text[at] = 'a';
        }
    }
    memset(text, 0, sizeof text);
    for (size_t len = 0; len < sizeof text; len++)
        assert_int_not_equal(keyed_hash_place(text, len), keyed_hash_place(text, len + 1));
}

/* Texts as like one another as can be do not crowd, and another key has other places. */
static void places_are_spread(void **state) {
    enum { PLACES = 8192, CROWD = 16 };
    static unsigned char crowds[PLACES];
    char text[1200];
    unsigned same = 0;
    (void)state;
    assert_true(keyed_hash_open());
    memset(text, '0', sizeof text);
    for (unsigned i = 0; i < PLACES; i++) {
        (void)snprintf(text + sizeof text - 100, 8, "%06u", i);
        unsigned char *crowd = &crowds[keyed_hash_place(text, sizeof text) % PLACES];
        assert_true(++*crowd < CROWD);
    }
    for (unsigned i = 0; i < 4; i++) {
        uint32_t place = keyed_hash_place(text, sizeof text);
        assert_true(keyed_hash_open());
        same += place == keyed_hash_place(text, sizeof text);
    }
    assert_int_equal(same, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_vectors),
        cmocka_unit_test(kinds_and_texts_differ),
        cmocka_unit_test(a_place_is_of_every_byte),
        cmocka_unit_test(places_are_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
