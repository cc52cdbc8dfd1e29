#include "tests/unit/unit.h"

#include "common/aws/sts.h"
#include "common/serve/loop.h"
#include "common/text/json.h"
#include "sidecar/imds.h"
#include "tests/unit/sidecar/answer_checks.h"

static const struct sts_identity untold;
const struct identity nobody = {"default", "pod-identity", &untold};

struct answer retired[24];
size_t retired_count;

static void on_retired(const struct answer *a) {
    assert_true(retired_count < COUNT(retired));
    retired[retired_count++] = *a;
}

int open_answers(void **state) {
    static bool again;
    (void)state;
    retired_count = 0;
    static const char *const names[] = {"default", "other"};
    answers_open(on_retired, true, names, 2);
    assert_true(again || retired_count == 0); /* the first pages take nobody's place */
    again = true;
    assert_true(loop_open() && imds_open());
    retired_count = 0;
    return 0;
}

int status_of(const struct answer *a) {
    assert_memory_equal(a->keep, "HTTP/1.1 ", 9);
    return atoi(a->keep + 9);
}

struct request request_for(enum request_method method, const char *path, const char *host,
                           const char *bearer) {
    struct request r = {.method = method};
    strcpy(r.path, path);
    strcpy(r.host, host);
    strcpy(r.authorization, bearer);
    return r;
}

static void check_head(const char *head, size_t len, size_t body_len, bool close) {
    char length[64];
    assert_memory_equal(head + len - 4, "\r\n\r\n", 4);
    assert_int_equal(strlen(head), len);
    snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", body_len);
    assert_non_null(strstr(head, length));
    assert_non_null(strstr(head, "\r\nCache-Control: no-store\r\n"));
    assert_int_equal(strstr(head, "\r\nConnection: close\r\n") != NULL, close);
}

void check_answer(const struct answer *a) {
    check_head(a->keep, a->keep_len, a->body_len, false);
    check_head(a->close, a->close_len, a->body_len, true);
}

void is_json_with_both_spellings(const struct answer *a, const char *code) {
    const struct json *root;
    assert_non_null(strstr(a->keep, "\r\nContent-Type: application/json\r\n")); /* exactly so, for Go */
    assert_int_equal(json_open(a->body, a->body_len, &root), ERR_OK);
    static const char *const names[] = {"code", "Code", "message", "Message"};
    for (size_t i = 0; i < COUNT(names); i++)
        assert_non_null(json_text(json_get(root, names[i])));
    if (code != NULL) {
        assert_string_equal(json_text(json_get(root, "code")), code);
        assert_string_equal(json_text(json_get(root, "Code")), code);
    }
    assert_string_not_equal(json_text(json_get(root, "Code")), "Success");
    assert_string_equal(json_text(json_get(root, "message")), json_text(json_get(root, "Message")));
    json_close();
}
