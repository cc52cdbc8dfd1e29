/* Whole fetches with the real libcurl and BearSSL, in which each allocation fails once, and from each one on
 * all do: the fetch ends with an error that says so, nothing goes where it must not, nobody is trusted who is
 * not otherwise, nothing is left over, and the next fetch succeeds. The sanitizers see to memory. */
#include "tests/unit/source/upstreams.h"

#include <errno.h>
#include <fcntl.h>

#include "common/source/fetch.h"

/* ---- allocations, and where this thread connects to ---- */

static _Thread_local bool armed;
static unsigned long count, fails_at;
static bool for_good;
static bool injected; /* one has failed */

static bool fails(void) {
    if (!armed)
        return false;
    count++;
    bool now = fails_at != 0 && (count == fails_at || (for_good && count > fails_at));
    injected = injected || now;
    return now;
}

void *__wrap_malloc(size_t size);
void *__real_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_calloc(size_t n, size_t size);
char *__wrap_strdup(const char *text);
char *__real_strdup(const char *text);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len);
int __real_connect(int fd, const struct sockaddr *address, socklen_t len);

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
    return fails() ? NULL : __real_calloc(n, size);
}

char *__wrap_strdup(const char *text) {
    return fails() ? NULL : __real_strdup(text);
}

static unsigned allowed; /* bits of enum upstream */

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len) {
    const struct sockaddr_in *to = (const void *)address;
    if (armed) {
        bool may = address->sa_family == AF_INET && to->sin_addr.s_addr == htonl(INADDR_LOOPBACK),
             listens = false;
        for (unsigned i = 0; i < UPSTREAMS; i++)
            listens = listens || ((allowed >> i & 1) != 0 && ntohs(to->sin_port) == upstreams[i].port);
        if (!may || !listens)
            fail_msg("it connects to port %u", ntohs(to->sin_port));
    }
    int result = __real_connect(fd, address, len);
    if (address->sa_family == AF_INET && (result == 0 || errno == EINPROGRESS))
        connects++;
    return result;
}

/* ---- fetches ---- */

static struct { char name[48], value[256]; } variables[12];
static size_t variable_count;

#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the formats stand below */
static void set(const char *name, const char *format, unsigned port) {
    snprintf(variables[variable_count].name, sizeof variables[0].name, "%s", name);
    snprintf(variables[variable_count].value, sizeof variables[0].value, format, port);
    setenv(name, variables[variable_count++].value, 1);
}

static const char *lookup(const char *name) {
    for (size_t i = 0; i < variable_count; i++) {
        if (strcmp(variables[i].name, name) == 0)
            return variables[i].value;
    }
    return NULL;
}

static struct source source;
static struct source_scratch scratch;
static struct source_options options;
static struct fetch fetch;
static unsigned ended;
static enum reason reason;
static char id[CREDENTIALS_KEY_ID_MAX], message[FAILURE_MESSAGE_MAX], remedy[FAILURE_REMEDY_MAX];

static void on_done(void *context, const struct fetch_outcome *outcome) {
    (void)context;
    armed = false;
    ended++;
    reason = outcome->reason;
    snprintf(id, sizeof id, "%s", reason == REASON_OK ? outcome->credentials->access_key_id : "");
    snprintf(message, sizeof message, "%s", reason != REASON_OK ? outcome->failure->message : "");
    snprintf(remedy, sizeof remedy, "%s", reason != REASON_OK ? outcome->failure->remedy : "");
    armed = true;
}

/* One fetch of a fresh source; the n-th allocation fails, 0: none does. */
static void run(unsigned long n) {
    struct failure failure;
    memset(&source, 0, sizeof source);
    assert_int_equal(source_open(&source, &options, lookup, &scratch, &failure), REASON_OK);
    ended = 0;
    count = 0;
    fails_at = n;
    injected = false;
    armed = true;
    fetch_start(&fetch, &source, 20000, on_done, NULL);
    fetch_wait(&fetch);
    armed = false;
    source_wipe(&source);
    assert_int_equal(ended, 1);
}

/* Descriptors of this process, of which the servers are threads: once they have closed theirs. */
static unsigned settled(void) {
    enum { WAIT_MAX = 20000, DESCRIPTORS_MAX = 1024 };
    unsigned open_now = 0;
    for (int i = 0; i < WAIT_MAX && closes != connects; i++)
        usleep(1000);
    assert_int_equal(closes, connects);
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
        open_now += fcntl(fd, F_GETFD) >= 0;
    return open_now;
}

static void check_failure(unsigned long n) {
    if (reason != REASON_INTERNAL || strstr(message, "out of memory") == NULL ||
        strstr(remedy, "memory limit") == NULL)
        fail_msg("allocation %lu%s fails: %d: %s / %s", n, for_good ? " and all that follow" : "",
                 (int)reason, message, remedy);
    assert_null(strstr(message, TOKEN));
    assert_null(strstr(message, PROXY_PASSWORD));
}

static void check_upstreams(void) {
    for (size_t i = 0; i < UPSTREAMS; i++)
        assert_int_equal(upstreams[i].wrong, 0);
    assert_int_equal(upstreams[NOBODY].connections, 0);
}

/* All allocations in turn. `gives`: the credentials of a fetch without a failure. */
static void each_fails(const char *gives) {
    run(0);
    if (reason != REASON_OK)
        fail_msg("%s", message);
    assert_string_equal(id, gives);
    unsigned long most = count, failed = 0;
    assert_true(most > 20); /* they are seen at all */
    for (int round = 0; round < 2; round++) {
        for_good = round == 1;
        for (unsigned long n = 1; n <= most; n++) {
            run(n);
            if (reason == REASON_OK)
                assert_string_equal(id, gives); /* it did without */
            else
                check_failure(n);
            failed += reason != REASON_OK;
            check_upstreams();
        }
        settled();
    }
    assert_true(failed > most); /* most cannot be done without */
    run(0);
    assert_int_equal(reason, REASON_OK);
    assert_string_equal(id, gives);
}

/* ---- set-up ---- */

static const char *token_path;

static int fresh(void **state) {
    (void)state;
    for (size_t i = 0; i < variable_count; i++)
        unsetenv(variables[i].name);
    variable_count = 0;
    memset(&options, 0, sizeof options);
    options.self_injected = INJECTION_SELF_NEVER;
    http_trust("tests/pki/authority.pem");
    static char path[256];
    token_path = strcpy(path, scratch_path("token"));
    write_file(path, TOKEN, sizeof TOKEN - 1);
    set("AWS_REGION", "eu-west-1", 0);
    set("HOSTNAME", "cart-1", 0);
    set("AWS_CA_BUNDLE", "tests/pki/authority.pem", 0);
    set("http_proxy", "http://user:" PROXY_PASSWORD "@127.0.0.1:%u", upstreams[NOBODY].port);
    return 0;
}

static void inject_agent(void) {
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:%u/v1/credentials", upstreams[AGENT].port);
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_path, 0);
}

static void inject_web_identity(const char *endpoint, unsigned port) {
    set("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app", 0);
    set("AWS_WEB_IDENTITY_TOKEN_FILE", token_path, 0);
    set("AWS_ENDPOINT_URL_STS", endpoint, port);
}

static void agent(void **state) {
    (void)state;
    inject_agent();
    allowed = 1U << AGENT;
    each_fails("ASIAAGENT");
}

static void web_identity(void **state) {
    (void)state;
    set("https_proxy", "http://127.0.0.1:%u", upstreams[NOBODY].port); /* loopback is never proxied */
    inject_web_identity("https://127.0.0.1:%u", upstreams[STS].port);
    allowed = 1U << STS;
    each_fails("ASIASTS");
}

static void chain_of_roles(void **state) {
    (void)state;
    inject_agent();
    set("AWS_ENDPOINT_URL_STS", "https://127.0.0.1:%u", upstreams[STS].port);
    options.roles[options.role_count++].arn = "arn:aws:iam::123456789012:role/one";
    options.roles[options.role_count++].arn = "arn:aws:iam::123456789012:role/two";
    allowed = 1U << AGENT | 1U << STS;
    each_fails("ASIASTS");
}

static void through_a_proxy(void **state) {
    (void)state;
    set("https_proxy", "http://user:" PROXY_PASSWORD "@127.0.0.1:%u", upstreams[PROXY].port);
    inject_web_identity("https://sts.example.test", 0);
    allowed = 1U << PROXY;
    each_fails("ASIASTS");
}

/* Whatever fails, a server with another authority's certificate is not sent a request. */
static void nobody_is_trusted_for_it(void **state) {
    (void)state;
    inject_web_identity("https://127.0.0.1:%u", upstreams[STS].port);
    http_trust("tests/fuzz/corpus/bundle/rsa");
    allowed = 1U << STS;
    unsigned before = upstreams[STS].requests;
    run(0);
    assert_int_equal(reason, REASON_TLS_FAILED);
    unsigned long most = count;
    for (int round = 0; round < 2; round++) {
        for_good = round == 1;
        for (unsigned long n = 1; n <= most; n++) {
            run(n);
            if (reason != REASON_TLS_FAILED)
                check_failure(n);
        }
    }
    assert_int_equal(upstreams[STS].requests, before);
    check_upstreams();
}

static unsigned descriptors;

static int set_up(void **state) {
    (void)state;
    start_upstreams();
    descriptors = settled();
    return http_open(NULL) == ERR_OK ? 0 : 1;
}

/* The last: libcurl keeps some connections until it has seen them end. */
static void nothing_is_left_open(void **state) {
    (void)state;
    http_close();
    assert_int_equal(settled(), descriptors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(agent, fresh),
        cmocka_unit_test_setup(web_identity, fresh),
        cmocka_unit_test_setup(chain_of_roles, fresh),
        cmocka_unit_test_setup(through_a_proxy, fresh),
        cmocka_unit_test_setup(nobody_is_trusted_for_it, fresh),
        cmocka_unit_test(nothing_is_left_open),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
