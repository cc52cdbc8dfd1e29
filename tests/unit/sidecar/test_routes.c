/* Which answer a request gets, and that the answers are whole. */
#include "tests/unit/unit.h"

#include <sys/wait.h>
#include <unistd.h>

#include "common/aws/sts.h"
#include "common/text/ini.h"
#include "sidecar/routes.h"
#include "tests/unit/sidecar/answer_checks.h"

static const struct routes socket_routes = {.kind = LISTENER_SOCKET, .view = ANSWERS_ALL};
static const struct routes_right rights[] = {{"the-bearer-0123456789", ANSWERS_ALL}};
static const struct routes http_routes = {.kind = LISTENER_HTTP,
                                          .rights = rights,
                                          .right_count = COUNT(rights),
                                          .host = "127.0.0.1",
                                          .host_port = "127.0.0.1:8080"};

static int pick(const struct routes *routes, enum request_method method, const char *path, const char *host,
                const char *bearer) {
    struct request r = request_for(method, path, host, bearer);
    return status_of(routes_pick(routes, &r));
}

static void the_socket_serves_every_path(void **state) {
    (void)state;
    static const struct {
        const char *path;
        int status;
    } table[] = {
        {"/healthz", 200},
        {"/v1/credentials", 503},
        {"/v1/credential-process", 503},
        {"/v1/identity", 503},
        {"/v1/identity/", 404},
        {"/v1/identityx", 404},
        {"/readyz", 503},
        {"/metrics", 200},
        {"/latest/api/token", 404},
        {"/", 404},
        {"", 404},
        {"/v1/credentials/", 404},
        {"/V1/credentials", 404},
        {"//v1/credentials", 404},
        {"/v1/../v1/credentials", 404},
        {"/v1/%63redentials", 404},
        {"/v1/credential", 404},
        {"/healthzz", 404},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_int_equal(pick(&socket_routes, REQUEST_GET, table[i].path, "any.host", ""), table[i].status);
        assert_int_equal(pick(&socket_routes, REQUEST_HEAD, table[i].path, "", ""), table[i].status);
        assert_int_equal(pick(&socket_routes, REQUEST_PUT, table[i].path, "", ""), 405);
        assert_int_equal(pick(&socket_routes, REQUEST_OTHER, table[i].path, "", ""), 405);
    }
}

static void loopback_wants_host_and_bearer(void **state) {
    (void)state;
    static const char bearer[] = "the-bearer-0123456789", path[] = "/v1/credentials";
    static const struct {
        const char *path, *host, *bearer;
        int status;
    } table[] = {
        {path, "127.0.0.1:8080", bearer, 503}, /* which is: let in, and nothing to serve yet */
        {path, "127.0.0.1", bearer, 503},
        {path, "127.0.0.1:8081", bearer, 403},
        {path, "127.0.0.1:80801", bearer, 403},
        {path, "localhost:8080", bearer, 403},
        {path, "evil.example", bearer, 403},
        {path, "[::1]:8080", bearer, 403},
        {path, "", bearer, 403},
        {path, "127.0.0.1", "", 401},
        {path, "127.0.0.1", "the-bearer-012345678", 401},
        {path, "127.0.0.1", "the-bearer-01234567890", 401},
        {path, "127.0.0.1", "the-bearer-0123456788", 401},
        {path, "127.0.0.1", "Bearer the-bearer-0123456789", 401},
        {path, "evil.example", "", 403},
        {"/healthz", "127.0.0.1", bearer, 404},
        {"/readyz", "127.0.0.1", bearer, 404},
        {"/v1/credential-process", "127.0.0.1", bearer, 404},
        {"/v1/identity", "127.0.0.1", bearer, 503},
        {"/v1/identity", "127.0.0.1", "the-bearer-0123456788", 401},
        {"/v1/identity", "evil.example", bearer, 403},
        {"/v1/identityx", "127.0.0.1", bearer, 404},
        {"/", "127.0.0.1", bearer, 404},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        assert_int_equal(pick(&http_routes, REQUEST_GET, table[i].path, table[i].host, table[i].bearer),
                         table[i].status);
    assert_int_equal(pick(&http_routes, REQUEST_PUT, path, "127.0.0.1", bearer), 405);
}

/* An empty bearer in the table would let in who sends none: it is for the caller never to have one. What has
 * to hold here is that a request without the header never equals a real one. */
static void no_header_is_no_bearer(void **state) {
    (void)state;
    struct request r = request_for(REQUEST_GET, "/v1/credentials", "127.0.0.1", "");
    r.has_authorization = true; /* sent, and longer than any bearer */
    assert_int_equal(status_of(routes_pick(&http_routes, &r)), 401);
}

static void every_fixed_error_is_whole(void **state) {
    (void)state;
    static const int statuses[] = {400, 401, 403, 404, 405, 413, 414, 431, 501, 503, 505};
    for (size_t i = 0; i < COUNT(statuses); i++) {
        const struct answer *a = answers_error(statuses[i]);
        assert_int_equal(status_of(a), statuses[i]);
        check_answer(a);
        is_json_with_both_spellings(a, NULL);
    }
    assert_non_null(strstr(answers_error(405)->keep, "\r\nAllow: GET, HEAD\r\n"));
    assert_true(status_of(answers_error(999)) >=
                400); /* no such error: some error, never an answer out of bounds */
    check_answer(answers_health());
}

static void credentials_are_served_as_they_are(void **state) {
    (void)state;
    static const struct credentials c = {.access_key_id = "ASIAEXAMPLEKEYID1234",
                                         .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                         .session_token = "IQoJ==",
                                         .expires_ms = INT64_C(1795435200000)};
    static const struct failure none;
    char storage[CREDENTIALS_RENDERED_MAX];
    struct buf expected = BUF(storage);
    answers_publish(0, &c, 1795431600, &nobody, &none, NULL);
    const struct answer *a = answers_page(0, ANSWERS_CREDENTIALS);
    check_answer(a);
    assert_int_equal(status_of(a), 200);
    assert_non_null(strstr(a->keep, "\r\nContent-Type: application/json\r\n"));
    credentials_render_container(&c, &expected);
    assert_int_equal(a->body_len, expected.len);
    assert_memory_equal(a->body, expected.data, expected.len);
    buf_reset(&expected);
    credentials_render_process(&c, &expected);
    a = answers_page(0, ANSWERS_PROCESS);
    check_answer(a);
    assert_int_equal(a->body_len, expected.len);
    assert_memory_equal(a->body, expected.data, expected.len);
    a = answers_page(0, ANSWERS_READY);
    check_answer(a);
    assert_int_equal(status_of(a), 200);
}

/* What was told, and nothing else; it stays when the same credentials are published again, and goes with
 * them. */
static void an_identity_is_what_was_told(void **state) {
    (void)state;
    static const struct credentials c = {.account_id = "111122223333",
                                         .access_key_id = "ASIAEXAMPLEKEYID1234",
                                         .secret_access_key = "s",
                                         .session_token = "t",
                                         .expires_ms = INT64_C(1795435200000)};
    static const struct failure none;
    static const struct {
        struct sts_identity who;
        const char *body;
    } rows[] = {
        {{.account = ""},
         "{\"Profile\":\"p\",\"Account\":\"111122223333\",\"Source\":\"eks-auth\",\"Expiration\":"
         "\"2026-11-23T12:00:00Z\"}"},
        {{.account = "444455556666",
          .user_id = "AROAX:s",
          .arn = "arn:aws:sts::444455556666:assumed-role/r/s"},
         "{\"Profile\":\"p\",\"Account\":\"444455556666\",\"Arn\":\"arn:aws:sts::444455556666:assumed-role/r/"
         "s\","
         "\"UserId\":\"AROAX:s\",\"Source\":\"eks-auth\",\"Expiration\":\"2026-11-23T12:00:00Z\"}"},
        {{.arn = "a\"b"},
         "{\"Profile\":\"p\",\"Account\":\"111122223333\",\"Source\":\"eks-auth\",\"Expiration\":"
         "\"2026-11-23T12:00:00Z\"}"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct identity identity = {"p", "eks-auth", &rows[i].who};
        answers_publish(0, &c, 1795431600, &identity, &none, NULL);
        for (int again = 0; again < 3; again++) {
            const struct answer *a = answers_page(0, ANSWERS_IDENTITY);
            check_answer(a);
            assert_int_equal(status_of(a), 200);
            assert_int_equal(a->body_len, strlen(rows[i].body));
            assert_memory_equal(a->body, rows[i].body, a->body_len);
            retired_count = 0;
            answers_publish(0, &c, 1795431600, NULL, &none, again == 0 ? "a file" : NULL);
        }
    }
    answers_publish(0, NULL, 0, NULL, &none, "gone");
    assert_int_equal(status_of(answers_page(0, ANSWERS_IDENTITY)), 503);
}

/* The longest of each fits. */
static void the_longest_identity_is_whole(void **state) {
    (void)state;
    static const struct credentials c = {
        .access_key_id = "A", .secret_access_key = "s", .session_token = "t"};
    static const struct failure none;
    static struct sts_identity who;
    char name[INI_PROFILE_MAX];
    memset(name, 'n', sizeof name - 1);
    memset(who.account, '1', sizeof who.account - 1);
    memset(who.user_id, 'u', sizeof who.user_id - 1);
    memset(who.arn, 'a', sizeof who.arn - 1);
    name[sizeof name - 1] = '\0';
    const struct identity identity = {name, "web-identity", &who};
    answers_publish(0, &c, 1, &identity, &none, NULL);
    const struct answer *a = answers_page(0, ANSWERS_IDENTITY);
    check_answer(a);
    assert_true(a->body_len > sizeof who && a->body[a->body_len - 1] == '}');
}

static void a_failure_says_reason_cause_and_remedy(void **state) {
    (void)state;
    static struct failure f;
    struct buf m = failure_begin(&f, REASON_ACCESS_DENIED);
    buf_str(&m, "GET x answered 400: \"(AccessDenied\\Exception)\"\n");
    failure_remedy(&f, "do this");
    answers_publish(0, NULL, 0, NULL, &f, "not ready because");
    for (int page = ANSWERS_CREDENTIALS; page <= ANSWERS_PROCESS; page++) {
        const struct answer *a = answers_page(0, (enum answers_page)page);
        assert_int_equal(status_of(a), 503);
        check_answer(a);
        is_json_with_both_spellings(a, "ACCESS_DENIED");
        assert_non_null(strstr(a->body, "do this"));
    }
    const struct answer *ready = answers_page(0, ANSWERS_READY);
    assert_int_equal(status_of(ready), 503);
    /* As init says it, so that a probe's text has the whole of it. */
    assert_memory_equal(ready->body, "ACCESS_DENIED: GET x answered 400: ", 35);
    assert_non_null(strstr(ready->body, ". Remedy: do this"));
    const struct answer *bare = answers_page(0, ANSWERS_READY_BARE);
    assert_int_equal(status_of(bare), 503);
    assert_string_equal(bare->body, "ACCESS_DENIED\n");
}

static void readiness_for_everybody_names_no_path_and_no_address(void **state) {
    (void)state;
    static const struct failure none;
    static struct credentials c = {
        .access_key_id = "A", .secret_access_key = "s", .session_token = "t", .expires_ms = 9000};
    answers_publish(0, &c, 8, &nobody, &none, "cannot write /var/x/credentials");
    assert_string_equal(answers_page(0, ANSWERS_READY)->body, "cannot write /var/x/credentials\n");
    assert_string_equal(answers_page(0, ANSWERS_READY_BARE)->body, ANSWERS_FILE_NOT_WRITTEN "\n");
    check_answer(answers_page(0, ANSWERS_READY_BARE));
    answers_publish(0, &c, 8, &nobody, &none, NULL);
    for (enum answers_page page = ANSWERS_READY; page <= ANSWERS_READY_BARE; page++) {
        assert_string_equal(answers_page(0, page)->body, "ready\n");
        assert_int_equal(status_of(answers_page(0, page)), 200);
    }
    answers_publish(0, &c, 9, &nobody, &none,
                    NULL); /* ended at that very second: only --expired=pass lets it come so far */
    assert_int_equal(status_of(answers_page(0, ANSWERS_READY_BARE)), 200);
    assert_non_null(strstr(answers_page(0, ANSWERS_READY_BARE)->body, "--expired=pass"));
}

/* Only escapes make the body too large for its place: the reason alone is sent then, and never a torn answer.
 */
static void the_longest_failure_still_is_json(void **state) {
    (void)state;
    static struct failure f;
    static const char fillers[] = {'x', '"', '\x01', '\xff'};
    for (size_t i = 0; i < COUNT(fillers); i++) {
        failure_begin(&f, REASON_BAD_RESPONSE);
        memset(f.message, fillers[i], sizeof f.message - 1);
        memset(f.remedy, fillers[i], sizeof f.remedy - 1);
        f.message[sizeof f.message - 1] = f.remedy[sizeof f.remedy - 1] = '\0';
        answers_publish(0, NULL, 0, NULL, &f, f.message);
        const struct answer *a = answers_page(0, ANSWERS_CREDENTIALS);
        check_answer(a);
        is_json_with_both_spellings(a, "BAD_RESPONSE");
        check_answer(answers_page(0, ANSWERS_READY));
    }
}

/* Whoever writes an old answer hears of it before its place is used anew, and only then. */
static void an_answer_outlives_one_new_edition(void **state) {
    (void)state;
    static const struct failure none;
    static struct credentials c = {.access_key_id = "A", .secret_access_key = "s", .session_token = "t"};
    for (int edition = 0; edition < 6; edition++) {
        static char body[CREDENTIALS_RENDERED_MAX];
        c.access_key_id[0] = (char)('A' + edition);
        struct answer before = *answers_page(0, ANSWERS_CREDENTIALS);
        assert_true(before.body_len < sizeof body);
        memcpy(body, before.body, before.body_len);
        retired_count = 0;
        answers_publish(0, &c, 1795431600, &nobody, &none, NULL);
        assert_int_equal(retired_count, ANSWERS_PAGES);
        for (size_t i = 0; i < retired_count; i++)
            assert_ptr_not_equal(retired[i].body, before.body);
        assert_memory_equal(before.body, body,
                            before.body_len); /* still whole, for who is in the midst of it */
        assert_ptr_not_equal(answers_page(0, ANSWERS_CREDENTIALS)->body, before.body);
    }
}

static void every_refusal_is_whole(void **state) {
    (void)state;
    for (int i = 0; i < ANSWERS_REFUSALS; i++) {
        const struct answer *a = answers_refuse((enum answers_refusal)i);
        check_answer(a);
        is_json_with_both_spellings(a, NULL);
        assert_int_equal(status_of(a), a->status);
    }
}

static void forget(const struct answer *a) {
    (void)a;
}

static void told_names(size_t length) {
    static char text[ANSWERS_PROFILES_MAX][INI_PROFILE_MAX];
    static const char *names[ANSWERS_PROFILES_MAX];
    for (size_t i = 0; i < ANSWERS_PROFILES_MAX; i++) {
        memset(text[i], 'a' + (int)i, length);
        names[i] = text[i];
    }
    answers_open(forget, true, names, ANSWERS_PROFILES_MAX);
    struct request r = request_for(REQUEST_GET, "/v1/credentials/none", "", "");
    const struct answer *a = routes_pick(&socket_routes, &r);
    assert_int_equal(status_of(a), 404);
    check_answer(a);
    is_json_with_both_spellings(a, "NotFound");
    assert_non_null(strstr(a->body, names[0]));
    assert_int_equal(strstr(a->body, ", ...\"") == NULL,
                     strstr(a->body, names[ANSWERS_PROFILES_MAX - 1]) != NULL);
}

/* As many as there may be, of all lengths. The answer is made once, so each length has a process of its own.
 */
static void a_name_that_is_not_there_is_told_those_that_are(void **state) {
    (void)state;
    for (size_t length = 1; length < INI_PROFILE_MAX; length++) {
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            told_names(length);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

static const struct answer *pick_of(size_t view, const char *path) {
    const struct routes routes = {.kind = LISTENER_SOCKET, .view = view};
    struct request r = request_for(REQUEST_GET, path, "", "");
    return routes_pick(&routes, &r);
}

static bool says(const struct answer *a, const char *text) {
    return memmem(a->body, a->body_len, text, strlen(text)) != NULL;
}

/* For who may see one profile, the others are as one that was never there: the same bytes. */
static void a_profile_that_one_may_not_see_does_not_exist(void **state) {
    (void)state;
    static const char *const names[] = {"alpha", "beta", "gamma"};
    struct failure failure;
    answers_open(forget, true, names, COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++) {
        struct buf m = failure_begin(&failure, REASON_ACCESS_DENIED);
        buf_fmt(&m, "of %s", names[i]);
        answers_publish(i, NULL, 0, NULL, &failure, failure.message);
    }
    static const char *const paths[] = {"/v1/credentials", "/v1/credential-process", "/v1/identity"};
    for (size_t view = 0; view <= COUNT(names); view++) {
        size_t who = view == COUNT(names) ? ANSWERS_ALL : view, own = who == ANSWERS_ALL ? 0 : who;
        for (size_t p = 0; p < COUNT(paths); p++) {
            char path[64];
            assert_ptr_equal(pick_of(who, paths[p]), answers_page(own, (enum answers_page)p));
            snprintf(path, sizeof path, "%s/nobody", paths[p]);
            const struct answer *none = pick_of(who, path);
            assert_int_equal(none->status, 404);
            for (size_t i = 0; i < COUNT(names); i++) {
                snprintf(path, sizeof path, "%s/%s", paths[p], names[i]);
                bool may = who == ANSWERS_ALL || who == i;
                assert_ptr_equal(pick_of(who, path), may ? answers_page(i, (enum answers_page)p) : none);
                assert_int_equal(says(none, names[i]), may);
                snprintf(path, sizeof path, "%s/", paths[p]);
                assert_ptr_equal(pick_of(who, path), none);
            }
        }
        for (size_t i = 0; i < COUNT(names); i++)
            assert_int_equal(says(pick_of(who, "/readyz"), names[i]), i == own);
    }
}

/* Each bearer of the loopback endpoint opens what is its own; all profiles are as many as may be. */
static void a_bearer_opens_its_own_profile(void **state) {
    (void)state;
    static char names_text[ANSWERS_PROFILES_MAX][8], bearers_text[ANSWERS_PROFILES_MAX][24];
    static const char *names[ANSWERS_PROFILES_MAX];
    static struct routes_right each[ANSWERS_PROFILES_MAX + 1];
    for (size_t i = 0; i < ANSWERS_PROFILES_MAX; i++) {
        snprintf(names_text[i], sizeof names_text[i], "p%zu", i);
        snprintf(bearers_text[i], sizeof bearers_text[i], "bearer-of-p%zu-0123456", i);
        names[i] = names_text[i];
        each[i] = (struct routes_right){bearers_text[i], i};
    }
    each[ANSWERS_PROFILES_MAX] = (struct routes_right){"bearer-of-all-0123456", ANSWERS_ALL};
    const struct routes routes = {.kind = LISTENER_HTTP,
                                  .rights = each,
                                  .right_count = COUNT(each),
                                  .host = "127.0.0.1",
                                  .host_port = "127.0.0.1:8080"};
    answers_open(forget, true, names, ANSWERS_PROFILES_MAX);
    for (size_t who = 0; who < COUNT(each); who++) {
        for (size_t i = 0; i < ANSWERS_PROFILES_MAX; i++) {
            char path[64];
            snprintf(path, sizeof path, "/v1/%s/%s", i % 2 == 0 ? "credentials" : "identity", names[i]);
            bool may = each[who].view == ANSWERS_ALL || each[who].view == i;
            assert_int_equal(pick(&routes, REQUEST_GET, path, "127.0.0.1", each[who].bearer),
                             may ? 503 : 404);
            assert_int_equal(pick(&routes, REQUEST_HEAD, path, "127.0.0.1", each[who].bearer),
                             may ? 503 : 404);
            assert_int_equal(pick(&routes, REQUEST_GET, path, "127.0.0.1", "bearer-of-p9-0123456"), 401);
        }
        struct request r = request_for(REQUEST_GET, "/v1/credentials", "127.0.0.1", each[who].bearer);
        assert_ptr_equal(routes_pick(&routes, &r),
                         answers_page(each[who].view == ANSWERS_ALL ? 0 : who, ANSWERS_CREDENTIALS));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_name_that_is_not_there_is_told_those_that_are, open_answers),
        cmocka_unit_test_setup(a_profile_that_one_may_not_see_does_not_exist, open_answers),
        cmocka_unit_test_setup(a_bearer_opens_its_own_profile, open_answers),
        cmocka_unit_test_setup(the_socket_serves_every_path, open_answers),
        cmocka_unit_test_setup(loopback_wants_host_and_bearer, open_answers),
        cmocka_unit_test_setup(no_header_is_no_bearer, open_answers),
        cmocka_unit_test_setup(every_fixed_error_is_whole, open_answers),
        cmocka_unit_test_setup(credentials_are_served_as_they_are, open_answers),
        cmocka_unit_test_setup(an_identity_is_what_was_told, open_answers),
        cmocka_unit_test_setup(the_longest_identity_is_whole, open_answers),
        cmocka_unit_test_setup(a_failure_says_reason_cause_and_remedy, open_answers),
        cmocka_unit_test_setup(readiness_for_everybody_names_no_path_and_no_address, open_answers),
        cmocka_unit_test_setup(an_answer_outlives_one_new_edition, open_answers),
        cmocka_unit_test_setup(the_longest_failure_still_is_json, open_answers),
        cmocka_unit_test_setup(every_refusal_is_whole, open_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
