#include "agent/store.h"

#include "tests/unit/unit.h"

#define HEAD "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"

static size_t removed, replaced;
static const struct store_entry *last_removed;

static void on_retiring(struct store_entry *e, bool gone) {
    removed += gone;
    replaced += !gone;
    last_removed = gone ? e : last_removed;
}

static struct keyed_hash pod(unsigned number) {
    return keyed_hash('p', &number, sizeof number);
}

static struct store_token taken(const char *token) {
    return (struct store_token){.hash = keyed_hash('t', token, strlen(token)),
                                .place = keyed_hash_place(token, strlen(token)),
                                .expires_s = 1000};
}

static struct store_entry *find(const char *token, const struct store_token **which) {
    return store_find_token(keyed_hash_place(token, strlen(token)), token, strlen(token), which);
}

static struct store_entry *put(unsigned number, uint32_t space, const char *token, const char *body) {
    struct keyed_hash key = pod(number);
    struct store_token t = taken(token);
    struct store_entry *e = store_put(&key, space);
    assert_non_null(e);
    assert_true(store_set_token(e, token, strlen(token), &t));
    assert_true(store_set_answer(e, HEAD, body, strlen(body)));
    return e;
}

static int open_store(void **state) {
    (void)state;
    removed = replaced = 0;
    store_open(4, 64 * STORE_CHUNK, on_retiring);
    return keyed_hash_open() ? 0 : 1;
}

static int close_store(void **state) {
    (void)state;
    store_close();
    return 0;
}

/* As the server writes it, with a client that takes so many bytes at a time. */
static void read_answer(const struct answer *a, bool close, bool with_body, size_t at_a_time, char *out) {
    size_t sent = 0, count;
    struct iovec pieces[ANSWER_PIECES];
    for (;;) {
        answer_rest(a, close, with_body, sent, pieces, &count);
        if (count == 0)
            break;
        size_t room = at_a_time;
        for (size_t i = 0; i < count && room > 0; i++) {
            size_t n = pieces[i].iov_len < room ? pieces[i].iov_len : room;
            assert_true(n > 0);
            memcpy(out + sent, pieces[i].iov_base, n);
            sent += n;
            room -= n;
        }
    }
    out[sent] = '\0';
}

static void an_answer_comes_out_as_it_went_in(void **state) {
    static char body[9000], out[10000];
    (void)state;
    store_open(4, 128 * STORE_CHUNK, on_retiring);
    for (size_t i = 0; i < sizeof body - 1; i++)
        body[i] = (char)('a' + i % 23);
    static const size_t lengths[] = {1,    STORE_CHUNK_TEXT - 1, STORE_CHUNK_TEXT, STORE_CHUNK_TEXT + 1,
                                     5000, sizeof body - 1};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        struct keyed_hash key = pod(1);
        struct store_entry *e = store_put(&key, 7);
        assert_true(store_set_answer(e, HEAD, body, lengths[i]));
        for (size_t step = 1; step < 700; step += 37) {
            read_answer(&e->answer, false, true, step, out);
            assert_memory_equal(out, HEAD "\r\n", strlen(HEAD "\r\n"));
            assert_memory_equal(out + strlen(HEAD "\r\n"), body, lengths[i]);
            assert_int_equal(strlen(out), strlen(HEAD "\r\n") + lengths[i]);
        }
        read_answer(&e->answer, true, false, 7, out);
        assert_string_equal(out, HEAD "Connection: close\r\n\r\n");
    }
    assert_int_equal(replaced, COUNT(lengths) - 1);
}

static size_t count_pieces(const struct store_entry *e, bool close) {
    struct iovec out[ANSWER_PIECES];
    size_t count;
    answer_rest(&e->answer, close, true, 0, out, &count);
    return count;
}

/* An answer of ten chunks is written from one piece, also after many renewals. */
static void renewed_texts_are_in_one_piece(void **state) {
    static char body[1200];
    (void)state;
    memset(body, 'b', sizeof body - 1);
    store_open(4, 128 * STORE_CHUNK, on_retiring);
    for (unsigned i = 0; i < 50; i++) {
        char token[400];
        memset(token, 'a' + (int)(i % 3), sizeof token - 1);
        token[sizeof token - 1] = '\0';
        struct store_entry *e = put(i % 3, 7, token, body);
        assert_int_equal(count_pieces(e, false), 1);
        assert_int_equal(count_pieces(e, true), 3); /* the line between */
    }
}

static void two_tokens_lead_to_an_entry(void **state) {
    const struct store_token *which;
    (void)state;
    struct store_entry *e = put(1, 7, "one", "body1");
    assert_ptr_equal(find("one", &which), e);
    struct store_token two = taken("two"), three = taken("three");
    assert_true(store_set_token(e, "two", 3, &two));
    assert_ptr_equal(find("two", &which), e);
    assert_ptr_equal(which, &e->tokens[0]);
    assert_ptr_equal(find("one", &which), e);
    assert_ptr_equal(which, &e->tokens[1]);
    assert_true(store_set_token(e, "three", 5, &three));
    assert_null(find("one", &which));
    assert_ptr_equal(find("two", &which), e);
    struct store_token again = taken("two");
    assert_true(store_set_token(e, "two", 3, &again));
    assert_ptr_equal(find("two", &which), e);
    assert_ptr_equal(find("three", &which), e);
    assert_true(store_set_token(e, "two", 3, &again)); /* nothing changes */
    assert_ptr_equal(find("three", &which), e);
    store_remove(e);
    assert_null(find("two", &which));
    assert_null(find("three", &which));
    assert_int_equal(store_bytes(), 0);
}

/* A place alone is not enough: the text decides. */
static void another_text_with_that_place_leads_nowhere(void **state) {
    const struct store_token *which;
    (void)state;
    struct store_entry *e = put(1, 7, "one", "body1");
    uint32_t place = keyed_hash_place("one", 3);
    assert_null(store_find_token(place, "onf", 3, &which));
    assert_null(store_find_token(place, "one!", 4, &which));
    struct store_token two = taken("two");
    assert_true(store_set_token(e, "two", 3, &two));
    assert_null(store_find_token(place, "onf", 3, &which));
    assert_ptr_equal(store_find_token(place, "one", 3, &which), e);
}

static void a_namespace_pays_for_itself(void **state) {
    const struct store_token *which;
    (void)state;
    put(1, 7, "t1", "a");
    put(2, 8, "t2", "b");
    put(3, 8, "t3", "c");
    struct store_entry *oldest = put(4, 7, "t4", "d");
    store_touch(find("t1", &which)); /* so that t4 is the oldest of space 7 */
    put(5, 7, "t5", "e");
    assert_int_equal(removed, 1);
    assert_ptr_equal(last_removed, oldest);
    assert_null(find("t4", &which));
    assert_non_null(find("t1", &which));
    put(6, 9, "t6", "f"); /* none of that namespace: the oldest of all */
    assert_null(find("t2", &which));
    assert_int_equal(store_count(), 4);
    assert_int_equal(store_evicted(), 2);
}

static void the_budget_of_bytes_is_kept(void **state) {
    static char big[40 * STORE_CHUNK_TEXT - 100];
    const struct store_token *which;
    (void)state;
    memset(big, 'x', sizeof big - 1);
    put(1, 7, "t1", big);
    put(2, 7, "t2", "small");
    assert_true(store_bytes() <= store_bytes_max());
    put(3, 7, "t3", big); /* the first one has to go */
    assert_null(find("t1", &which));
    assert_non_null(find("t3", &which));
    assert_true(store_bytes() <= store_bytes_max());
    struct keyed_hash key = pod(4);
    struct store_entry *e = store_put(&key, 7);
    static char huge[80 * STORE_CHUNK_TEXT];
    memset(huge, 'y', sizeof huge - 1);
    struct store_token t = taken("t4");
    assert_true(store_set_token(e, "t4", 2, &t));
    assert_false(store_set_answer(e, HEAD, huge, sizeof huge - 1));
    assert_null(e->answer.pieces);
}

static void what_is_kept_outside_takes_nothing_from_entries(void **state) {
    static char token[STORE_TOKEN_MAX + 1], out[STORE_TOKEN_MAX + 1];
    struct store_text texts[17];
    size_t kept = 0;
    (void)state;
    memset(token, 't', STORE_TOKEN_MAX);
    put(1, 7, "t1", "a");
    size_t before = store_bytes();
    while (kept < COUNT(texts) && store_keep(&texts[kept], token, STORE_TOKEN_MAX))
        kept++;
    assert_true(kept > 10 && kept < COUNT(texts));
    assert_int_equal(store_bytes(), before);
    assert_int_equal(removed, 0);
    store_copy(&texts[3], out);
    assert_string_equal(out, token);
    while (kept > 0)
        store_give_back(&texts[--kept]);
    assert_true(store_keep(&texts[0], token, STORE_TOKEN_MAX));
    store_give_back(&texts[0]);
}

static void many_come_and_go(void **state) {
    const struct store_token *which;
    char token[16], body[32];
    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        (void)snprintf(token, sizeof token, "token-%u", i);
        (void)snprintf(body, sizeof body, "body-%u", i);
        struct store_entry *e = put(i % 97, i % 3, token, body);
        assert_ptr_equal(find(token, &which), e);
        assert_true(store_count() <= 4);
    }
    for (size_t i = 0; i < store_high(); i++) {
        if (store_at(i) != NULL)
            store_remove(store_at(i));
    }
    assert_int_equal(store_count(), 0);
    assert_int_equal(store_bytes(), 0);
}

static void without_places_nothing_is_kept(void **state) {
    struct keyed_hash key = pod(1);
    (void)state;
    store_open(0, 64 * STORE_CHUNK, on_retiring);
    assert_null(store_put(&key, 7));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_store, close_store)

/* A token of some chunks and a rest is another one wherever a byte differs, also at the same place. */
static void a_token_is_compared_to_its_last_byte(void **state) {
    char token[3 * STORE_CHUNK_TEXT + 14];
    const struct store_token *which;
    (void)state;
    memset(token, 't', sizeof token - 1);
    token[sizeof token - 1] = '\0';
    struct store_entry *e = put(1, 1, token, "alpha");
    struct store_token same = taken(token);
    for (size_t i = 0; i < sizeof token - 1; i++) {
        token[i] = 'u';
        assert_null(store_find_token(same.place, token, sizeof token - 1, &which));
        token[i] = 't';
    }
    assert_ptr_equal(store_find_token(same.place, token, sizeof token - 1, &which), e);
}

/* What makes no difference to the place of a long token makes one to the token. */
static void a_long_token_with_another_beginning_leads_nowhere(void **state) {
    static char token[KEYED_HASH_PLACED + 500];
    const struct store_token *which;
    (void)state;
    memset(token, 't', sizeof token - 1);
    struct store_entry *e = put(1, 1, token, "alpha");
    struct store_token next = taken("next");
    for (int before = 0; before < 2; before++) {
        uint32_t place = keyed_hash_place(token, sizeof token - 1);
        assert_ptr_equal(find(token, &which), e);
        token[0] = 'u';
        assert_int_equal(keyed_hash_place(token, sizeof token - 1), place);
        assert_null(find(token, &which));
        token[0] = 't';
        assert_true(store_set_token(e, "next", 4, &next)); /* the long one is the one before now */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_answer_comes_out_as_it_went_in),
        TEST(renewed_texts_are_in_one_piece),
        TEST(two_tokens_lead_to_an_entry),
        TEST(another_text_with_that_place_leads_nowhere),
        TEST(a_namespace_pays_for_itself),
        TEST(the_budget_of_bytes_is_kept),
        TEST(what_is_kept_outside_takes_nothing_from_entries),
        TEST(many_come_and_go),
        TEST(a_token_is_compared_to_its_last_byte),
        TEST(a_long_token_with_another_beginning_leads_nowhere),
        TEST(without_places_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
