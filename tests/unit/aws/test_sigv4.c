/* The public test suite for SigV4, in its three stages, and what it leaves out. */
#include "tests/unit/unit.h"

#include <dirent.h>

#include "common/aws/sigv4.h"
#include "common/base/timefmt.h"
#include "common/text/json.h"

static struct sigv4_scratch scratch;

#define SUITE "tests/sigv4-test-suite/v4"
#define SUITE_CASES 38

struct signing_case {
    char name[128];
    char text[8192]; /* request.txt, cut up in place */
    char key_id[64], secret[64], token[1024], region[32], service[32], stamp[TIME_BASIC_MAX],
        body_hash[HASH_HEX_SIZE];
    int64_t unix_s;
    bool normalize, sign_body, omit_token;
    uint32_t expires_s;
    struct sigv4_header headers[SIGV4_HEADERS_MAX];
    struct sigv4_request request;
    struct sigv4_scope scope;
};

static const char *case_file(const struct signing_case *c, const char *file) {
    char path[512];
    snprintf(path, sizeof path, SUITE "/%s/%s", c->name, file);
    return read_file(path, NULL);
}

static void copy_member(const struct json *object, const char *name, char *out, size_t cap) {
    const char *text = json_text(json_get(object, name));
    out[0] = '\0';
    if (text != NULL)
        assert_true((size_t)snprintf(out, cap, "%s", text) < cap);
}

/* cJSON's true has no accessor of ours: the text tells. */
static bool flag(const char *context, const char *name) {
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"%s\": true", name);
    return strstr(context, pattern) != NULL;
}

static void read_context(struct signing_case *c) {
    const char *text = case_file(c, "context.json");
    const struct json *root;
    char timestamp[64];
    int64_t ms;
    c->normalize = flag(text, "normalize");
    c->sign_body = flag(text, "sign_body");
    c->omit_token = flag(text, "omit_session_token");
    assert_int_equal(json_open(text, strlen(text), &root), ERR_OK);
    const struct json *keys = json_get(root, "credentials");
    copy_member(keys, "access_key_id", c->key_id, sizeof c->key_id);
    copy_member(keys, "secret_access_key", c->secret, sizeof c->secret);
    copy_member(keys, "token", c->token, sizeof c->token);
    copy_member(root, "region", c->region, sizeof c->region);
    copy_member(root, "service", c->service, sizeof c->service);
    copy_member(root, "timestamp", timestamp, sizeof timestamp);
    int64_t expires_s;
    assert_true(json_integer(json_get(root, "expiration_in_seconds"), &expires_s));
    c->expires_s = (uint32_t)expires_s;
    json_close();
    assert_int_equal(time_parse_rfc3339(timestamp, strlen(timestamp), &ms), ERR_OK);
    c->unix_s = ms / 1000;
    time_format_basic(c->unix_s, c->stamp);
}

static void add_header(struct signing_case *c, const char *name, const char *value) {
    assert_true(c->request.header_count < SIGV4_HEADERS_MAX);
    c->headers[c->request.header_count++] = (struct sigv4_header){name, value};
}

/* One line of the request; a line that goes on in the next (which begins with a blank) stays in one piece. */
static char *cut_line(char *at) {
    char *end = strchr(at, '\n');
    while (end != NULL && (end[1] == ' ' || end[1] == '\t'))
        end = strchr(end + 1, '\n');
    if (end == NULL)
        return at + strlen(at);
    *end = '\0';
    return end + 1;
}

static void read_request(struct signing_case *c) {
    assert_true((size_t)snprintf(c->text, sizeof c->text, "%s", case_file(c, "request.txt")) <
                sizeof c->text);
    char *line = c->text, *next = cut_line(line);
    char *target = strchr(line, ' ') + 1, *version = strstr(target, " HTTP/1.1");
    assert_non_null(version);
    target[-1] = '\0';
    *version = '\0';
    char *query = strchr(target, '?');
    c->request.method = line;
    c->request.path = target;
    c->request.query = query != NULL ? query + 1 : "";
    if (query != NULL)
        *query = '\0';
    for (line = next; *line != '\0' && *line != '\n'; line = next) {
        next = cut_line(line);
        char *colon = strchr(line, ':');
        assert_non_null(colon);
        *colon = '\0';
        add_header(c, line, colon + 1);
    }
    c->request.body = *line == '\n' ? line + 1 : "";
    c->request.body_len = strlen(c->request.body);
}

static void read_case(struct signing_case *c) {
    read_context(c);
    read_request(c);
    add_header(c, "X-Amz-Date", c->stamp);
    if (c->token[0] != '\0' && !c->omit_token)
        add_header(c, "X-Amz-Security-Token", c->token);
    if (c->sign_body) {
        unsigned char hash[HASH_SIZE];
        hash_sha256(c->request.body, c->request.body_len, hash);
        hash_hex(hash, c->body_hash);
        add_header(c, "x-amz-content-sha256", c->body_hash);
    }
    c->request.headers = c->headers;
    c->request.keep_path = !c->normalize;
    c->scope = (struct sigv4_scope){.access_key_id = c->key_id,
                                    .secret_access_key = c->secret,
                                    .region = c->region,
                                    .service = c->service,
                                    .unix_s = c->unix_s};
}

/* A canonical request has its own headers as the suite knows them: the suite's folder decides the case. */
static void one_case(void **state) {
    static struct signing_case c;
    memset(&c, 0, sizeof c);
    snprintf(c.name, sizeof c.name, "%s", (const char *)*state);
    read_case(&c);
    static char canonical_text[SIGV4_CANONICAL_MAX], to_sign_text[1024],
        authorization_text[SIGV4_AUTHORIZATION_MAX];
    struct buf canonical = BUF(canonical_text), to_sign = BUF(to_sign_text),
               authorization = BUF(authorization_text);
    assert_int_equal(sigv4_canonical_request(&c.request, &scratch, &canonical), ERR_OK);
    assert_string_equal(canonical.data, case_file(&c, "header-canonical-request.txt"));
    sigv4_string_to_sign(&c.scope, canonical.data, canonical.len, &to_sign);
    assert_string_equal(to_sign.data, case_file(&c, "header-string-to-sign.txt"));
    char signature[HASH_HEX_SIZE];
    sigv4_signature(&c.scope, to_sign.data, to_sign.len, signature);
    assert_string_equal(signature, case_file(&c, "header-signature.txt"));
    assert_int_equal(sigv4_authorization(&c.scope, &c.request, &scratch, &authorization), ERR_OK);
    char line[SIGV4_AUTHORIZATION_MAX + 32];
    snprintf(line, sizeof line, "Authorization:%s", authorization.data);
    if (strstr(case_file(&c, "header-signed-request.txt"), line) == NULL)
        fail_msg("%s: not in the signed request: %s", c.name, line);
}

/* Whether each parameter of one query is in the other. Only their order may differ: the suite has
 * X-Amz-SignedHeaders ahead of X-Amz-Expires, where botocore, which tokens are held equal to, has them the
 * other way round; and signing does not depend on it. */
static void same_parameters(const char *name, const char *ours, const char *theirs) {
    char text[4096], bounded[4096];
    assert_int_equal(strlen(ours), strlen(theirs));
    snprintf(text, sizeof text, "%s", ours);
    snprintf(bounded, sizeof bounded, "&%s&", theirs);
    for (char *part = strtok(text, "&"); part != NULL; part = strtok(NULL, "&")) {
        char wanted[2048];
        snprintf(wanted, sizeof wanted, "&%s&", part);
        if (strstr(bounded, wanted) == NULL)
            fail_msg("%s: not in the signed request: %s", name, part);
    }
}

static void check_signed_query(const struct signing_case *c, const char *query) {
    char line[4096], *end, *begin;
    snprintf(line, sizeof line, "%s", case_file(c, "query-signed-request.txt"));
    end = strstr(line, " HTTP/1.1");
    assert_non_null(end);
    *end = '\0';
    begin = strchr(line, '?');
    assert_non_null(begin);
    same_parameters(c->name, query, begin + 1);
}

/* The same cases, signed in the query: without the date and the token among the headers. */
static void one_query_case(void **state) {
    static struct signing_case c;
    static char query_text[SIGV4_QUERY_MAX], canonical_text[SIGV4_CANONICAL_MAX], to_sign_text[1024],
        signed_text[SIGV4_QUERY_MAX];
    struct buf query = BUF(query_text), canonical = BUF(canonical_text), to_sign = BUF(to_sign_text),
               whole = BUF(signed_text);
    memset(&c, 0, sizeof c);
    snprintf(c.name, sizeof c.name, "%s", (const char *)*state);
    read_context(&c);
    read_request(&c);
    c.request.headers = c.headers;
    c.request.keep_path = !c.normalize;
    c.scope = (struct sigv4_scope){c.key_id, c.secret, c.region, c.service, c.unix_s};
    const struct sigv4_presign presign = {
        .expires_s = c.expires_s,
        .session_token = c.token[0] != '\0' ? c.token : NULL,
        .token_unsigned = c.omit_token,
    };
    assert_int_equal(sigv4_presigned_query(&c.scope, &c.request, &presign, &query), ERR_OK);
    struct sigv4_request signing = c.request;
    signing.query = query.data;
    assert_int_equal(sigv4_canonical_request(&signing, &scratch, &canonical), ERR_OK);
    assert_string_equal(canonical.data, case_file(&c, "query-canonical-request.txt"));
    sigv4_string_to_sign(&c.scope, canonical.data, canonical.len, &to_sign);
    assert_string_equal(to_sign.data, case_file(&c, "query-string-to-sign.txt"));
    char signature[HASH_HEX_SIZE];
    sigv4_signature(&c.scope, to_sign.data, to_sign.len, signature);
    assert_string_equal(signature, case_file(&c, "query-signature.txt"));
    assert_int_equal(sigv4_presign(&c.scope, &c.request, &presign, &scratch, &whole), ERR_OK);
    assert_non_null(strstr(whole.data, signature));
    check_signed_query(&c, whole.data);
}

/* A session token of the largest size whose every character is escaped does not fit, and says so; and so does
 * a small place for the result. */
static void long_queries_are_errors(void **state) {
    (void)state;
    static char text[SIGV4_QUERY_MAX], token[8192];
    char small[512];
    struct sigv4_header host = {"Host", "h"};
    struct sigv4_request r = {.method = "GET", .path = "/", .query = "", .headers = &host, .header_count = 1};
    struct sigv4_scope scope = {"AKID", "secret", "us-east-1", "sts", 0};
    struct buf out = BUF(text);
    memset(token, '/', sizeof token - 1);
    struct sigv4_presign presign = {.expires_s = 900, .session_token = token};
    assert_int_equal(sigv4_presign(&scope, &r, &presign, &scratch, &out), ERR_TOO_LONG);
    token[2000] = '\0';
    buf_reset(&out);
    assert_int_equal(sigv4_presign(&scope, &r, &presign, &scratch, &out), ERR_OK);
    token[4] = '\0';
    for (int unsigned_too = 0; unsigned_too < 2; unsigned_too++) {
        presign.token_unsigned = unsigned_too == 1;
        buf_reset(&out);
        assert_int_equal(sigv4_presign(&scope, &r, &presign, &scratch, &out), ERR_OK);
        for (size_t cap = 1; cap <= out.len; cap++) {
            struct buf short_of = buf_over(small, cap);
            assert_int_equal(sigv4_presign(&scope, &r, &presign, &scratch, &short_of), ERR_TOO_LONG);
        }
    }
    r.header_count = SIGV4_HEADERS_MAX + 1;
    buf_reset(&out);
    assert_int_equal(sigv4_presign(&scope, &r, &presign, &scratch, &out), ERR_TOO_LONG);
}

static struct sigv4_request plain_request(const struct sigv4_header *headers, size_t count) {
    return (struct sigv4_request){
        .method = "GET", .path = "/", .query = "", .headers = headers, .header_count = count, .body = NULL};
}

static void limits_are_errors(void **state) {
    (void)state;
    static char storage[SIGV4_CANONICAL_MAX], query[2 * (SIGV4_PARAMETERS_MAX + 1) + 1],
        path[SIGV4_CANONICAL_MAX];
    struct buf out = BUF(storage);
    struct sigv4_header headers[SIGV4_HEADERS_MAX + 1];
    for (size_t i = 0; i < COUNT(headers); i++)
        headers[i] = (struct sigv4_header){"x-amz-meta", "v"};
    struct sigv4_request r = plain_request(headers, SIGV4_HEADERS_MAX);
    assert_int_equal(sigv4_canonical_request(&r, &scratch, &out), ERR_OK);
    buf_reset(&out);
    r.header_count++;
    assert_int_equal(sigv4_canonical_request(&r, &scratch, &out), ERR_TOO_LONG);
    r = plain_request(headers, 1);
    for (size_t i = 0; i < SIGV4_PARAMETERS_MAX + 1; i++)
        memcpy(query + 2 * i, "a&", 3);
    query[2 * SIGV4_PARAMETERS_MAX] = '\0';
    r.query = query;
    buf_reset(&out);
    assert_int_equal(sigv4_canonical_request(&r, &scratch, &out), ERR_OK);
    query[2 * SIGV4_PARAMETERS_MAX] = 'a';
    buf_reset(&out);
    assert_int_equal(sigv4_canonical_request(&r, &scratch, &out), ERR_TOO_LONG);
    r.query = "";
    memset(path, 'p', sizeof path - 1);
    path[0] = '/';
    r.path = path;
    buf_reset(&out);
    assert_int_equal(sigv4_canonical_request(&r, &scratch, &out), ERR_TOO_LONG);
    struct sigv4_scope scope = {"AKID", "secret", "us-east-1", "sts", 0};
    char small[64];
    struct buf authorization = BUF(small);
    r.path = "/";
    assert_int_equal(sigv4_authorization(&scope, &r, &scratch, &authorization), ERR_TOO_LONG);
}

/* Paths that climb over their root, and escapes that are none. */
static void paths_and_queries(void **state) {
    (void)state;
    static const struct {
        const char *path, *query, *canonical_path, *canonical_query;
        bool keep;
    } table[] = {
        {"", "", "/", "", false},
        {"", "", "/", "", true},
        {"/../../x", "", "/x", "", false},
        {"/a/b/..", "", "/a/", "", false},
        {"/a/b/../..", "", "/", "", false},
        {"/a/./b//c/", "", "/a/b/c/", "", false},
        {"/a/./b//c/", "", "/a/./b//c/", "", true},
        {"/a%20b", "", "/a%2520b", "", false},
        {"/...", "", "/...", "", false},
        {"/", "b=2&a=1&a=0&b", "/", "a=0&a=1&b=&b=2", false},
        {"/", "&&a=1&&", "/", "a=1", false},
        {"/", "a=b=c", "/", "a=b%3Dc", false},
        {"/", "a=%zz&b=%2&c=%", "/", "a=%25zz&b=%252&c=%25", false},
        {"/", "a=%e1%88%b4+~", "/", "a=%E1%88%B4%2B~", false},
        {"/", "=v", "/", "=v", false},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char storage[1024], expected[512];
        struct buf out = BUF(storage);
        struct sigv4_header host = {"Host", "h"};
        struct sigv4_request r = plain_request(&host, 1);
        r.path = table[i].path;
        r.query = table[i].query;
        r.keep_path = table[i].keep;
        assert_int_equal(sigv4_canonical_request(&r, &scratch, &out), ERR_OK);
        snprintf(expected, sizeof expected, "GET\n%s\n%s\nhost:h\n\nhost\n", table[i].canonical_path,
                 table[i].canonical_query);
        if (strncmp(out.data, expected, strlen(expected)) != 0)
            fail_msg("%s?%s gave %s", table[i].path, table[i].query, out.data);
    }
}

static int is_case(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

int main(void) {
    static struct CMUnitTest tests[2 * SUITE_CASES + 8];
    size_t count = 0;
    struct dirent **entries;
    int found = scandir(SUITE, &entries, is_case, alphasort);
    if (found != SUITE_CASES) {
        fprintf(stderr, "%d cases in " SUITE ", not %d: run from the top of the repository\n", found,
                SUITE_CASES);
        return 1;
    }
    static char names[SUITE_CASES][96];
    for (int i = 0; i < found; i++) {
        snprintf(names[i], sizeof names[i], "query:%.80s", entries[i]->d_name);
        tests[count++] = (struct CMUnitTest){
            .name = entries[i]->d_name, .test_func = one_case, .initial_state = entries[i]->d_name};
        tests[count++] = (struct CMUnitTest){
            .name = names[i], .test_func = one_query_case, .initial_state = entries[i]->d_name};
    }
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(limits_are_errors);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(paths_and_queries);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(long_queries_are_errors);
    int failures = _cmocka_run_group_tests("sigv4", tests, count, NULL, NULL);
    for (int i = 0; i < found; i++)
        free(entries[i]);
    free(entries);
    return failures;
}
