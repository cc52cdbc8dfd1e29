/* Requests to AWS that got no answer: each way has its reason, its words, and a remedy that fits. */
#include "tests/unit/unit.h"

#include "common/aws/aws_call.h"

static struct endpoint endpoint = {.region = "eu-west-1", .origin = "AWS_REGION"};
static const struct aws_target target = {
    .endpoint = &endpoint, .service = "sts", .path = "/", .action = "AssumeRole", .object = "app"};
static struct http_response response;
static struct failure failure;

static int fresh(void **state) {
    (void)state;
    endpoint.accused = NULL;
    response = (struct http_response){.body = "", .elapsed_ms = 1234};
    return uri_parse("https://sts.eu-west-1.amazonaws.com", &endpoint.uri) == ERR_OK ? 0 : 1;
}

static void judge(enum http_result result, enum reason reason, const char *remedy) {
    memset(&failure, 0, sizeof failure);
    response.result = result;
    assert_int_equal(aws_call_unanswered(&target, &response, &failure), reason);
    assert_int_equal(failure.reason, reason);
    assert_string_equal(failure.cause, http_result_cause(result));
    assert_non_null(strstr(failure.message, http_result_text(result)));
    if (strstr(failure.remedy, remedy) == NULL)
        fail_msg("\"%s\" is not in: %s", remedy, failure.remedy);
}

static enum reason reason_of(enum http_result result) {
    bool answered = result == HTTP_CUT_SHORT || result == HTTP_NOT_HTTP || result == HTTP_TOO_LARGE;
    return answered ? REASON_BAD_RESPONSE : REASON_AWS_UNREACHABLE;
}

static void each_way(void **state) {
    (void)state;
    static const struct {
        enum http_result result;
        enum reason reason;
        const char *remedy;
    } ways[] = {
        {HTTP_REFUSED, REASON_AWS_UNREACHABLE, "reach sts.eu-west-1.amazonaws.com port 443"},
        {HTTP_CONNECT_TIMEOUT, REASON_AWS_UNREACHABLE, "interface endpoint com.amazonaws.eu-west-1.sts"},
        {HTTP_CONNECT_TIMEOUT, REASON_AWS_UNREACHABLE, "NetworkPolicies, security groups and routes"},
        {HTTP_REFUSED, REASON_AWS_UNREACHABLE, "NetworkPolicies and firewalls that reject"},
        {HTTP_PROHIBITED, REASON_AWS_UNREACHABLE, "ip route get"},
        {HTTP_NO_ROUTE, REASON_AWS_UNREACHABLE, "HTTPS_PROXY, and at routes and firewalls; in a VPC"},
        {HTTP_NO_FAMILY, REASON_AWS_UNREACHABLE, "the pod's addresses"},
        {HTTP_FAILED, REASON_AWS_UNREACHABLE,
         "the way from this pod to sts.eu-west-1.amazonaws.com port 443"},
        {HTTP_NO_ANSWER, REASON_AWS_UNREACHABLE,
         "look at what answers at sts.eu-west-1.amazonaws.com port 443"},
        {HTTP_NO_NAME, REASON_AWS_UNREACHABLE, "the region's name (eu-west-1 comes from AWS_REGION)"},
        {HTTP_DNS_SILENT, REASON_AWS_UNREACHABLE, "let this pod reach its DNS server"},
        {HTTP_DNS_ERROR, REASON_AWS_UNREACHABLE, "look at the log of CoreDNS"},
        {HTTP_ANSWER_TIMEOUT, REASON_AWS_UNREACHABLE,
         "look at what answers at sts.eu-west-1.amazonaws.com port 443"},
        {HTTP_TLS_TIMEOUT, REASON_AWS_UNREACHABLE, "takes connections and drops what follows"},
        {HTTP_CUT_SHORT, REASON_BAD_RESPONSE, "a proxy or firewall on the way"},
        {HTTP_NOT_HTTP, REASON_BAD_RESPONSE, "something other than STS answers there"},
        {HTTP_TOO_LARGE, REASON_BAD_RESPONSE, "something other than STS answers there"},
        {HTTP_TLS_CLOSED, REASON_AWS_UNREACHABLE, "SNI"},
        {HTTP_TLS_UNTRUSTED, REASON_TLS_FAILED, "--ca-bundle"},
        {HTTP_TLS_EXPIRED, REASON_TLS_FAILED, "renewed"},
        {HTTP_TLS_EARLY, REASON_TLS_FAILED, "renewed"},
        {HTTP_TLS_NAME, REASON_TLS_FAILED, "subjectAltNames"},
        {HTTP_TLS_NO_CA, REASON_TLS_FAILED, "mount a PEM file"},
        {HTTP_TLS_CONSTRAINTS, REASON_TLS_FAILED, "without such an extension"},
        {HTTP_TLS_EXTENSION, REASON_TLS_FAILED, "without such an extension"},
        {HTTP_TLS_HASH, REASON_TLS_FAILED, "SHA-256, SHA-384 or SHA-512"},
        {HTTP_TLS_ALGORITHM, REASON_TLS_FAILED, "P-256, P-384 or P-521"},
        {HTTP_TLS_KEY, REASON_TLS_FAILED, "2048 to 4096 bits"},
        {HTTP_TLS_USAGE, REASON_TLS_FAILED, "serverAuth"},
        {HTTP_TLS_CHAIN, REASON_TLS_FAILED, "those of the authorities between"},
        {HTTP_TLS_VERSION, REASON_TLS_FAILED, "speak TLS 1.2"},
        {HTTP_TLS_CIPHER, REASON_TLS_FAILED, "AES-GCM"},
        {HTTP_TLS, REASON_TLS_FAILED, "look at what answers there"},
    };
    for (size_t i = 0; i < COUNT(ways); i++) {
        judge(ways[i].result, ways[i].reason, ways[i].remedy);
        bool timed = ways[i].result != HTTP_TLS_NO_CA && ways[i].result != HTTP_NO_FAMILY;
        assert_true((strstr(failure.message, " after 1234 ms") != NULL) == timed);
    }
    assert_string_equal(failure.message,
                        "POST https://sts.eu-west-1.amazonaws.com (AssumeRole app) failed to "
                        "set up TLS after 1234 ms");
    judge(HTTP_REFUSED, REASON_AWS_UNREACHABLE, "istio");
    judge(HTTP_CONNECT_TIMEOUT, REASON_AWS_UNREACHABLE, "");
    assert_null(strstr(failure.remedy, "istio"));
    judge(HTTP_NO_FAMILY, REASON_AWS_UNREACHABLE, "");
    assert_null(strstr(failure.message, " after "));
    /* Whom TCP reached needs no rule that lets it through, nor an endpoint; and AWS's own port speaks TLS. */
    static const enum http_result reached[] = {HTTP_TLS_TIMEOUT, HTTP_ANSWER_TIMEOUT, HTTP_NO_ANSWER,
                                               HTTP_CUT_SHORT,   HTTP_NOT_HTTP,       HTTP_TOO_LARGE};
    for (size_t i = 0; i < COUNT(reached); i++) {
        judge(reached[i], reason_of(reached[i]), "");
        assert_null(strstr(failure.remedy, "NetworkPolic"));
        assert_null(strstr(failure.remedy, "com.amazonaws"));
        assert_null(strstr(failure.remedy, "http://"));
    }
    /* Nor does a policy keep the pod from an address family that it has not, or from a name that DNS does not
     * know; and what drops packets does not refuse a connection. */
    static const enum http_result unhindered[] = {HTTP_NO_FAMILY, HTTP_NO_NAME, HTTP_DNS_ERROR, HTTP_FAILED};
    for (size_t i = 0; i < COUNT(unhindered); i++) {
        judge(unhindered[i], REASON_AWS_UNREACHABLE, "");
        assert_null(strstr(failure.remedy, "NetworkPolic"));
    }
    static const enum http_result rejected[] = {HTTP_REFUSED, HTTP_PROHIBITED};
    for (size_t i = 0; i < COUNT(rejected); i++) {
        judge(rejected[i], REASON_AWS_UNREACHABLE, "");
        assert_null(strstr(failure.remedy, "security groups"));
        assert_null(strstr(failure.remedy, "com.amazonaws"));
    }
    strcpy(response.detail, "words of the system");
    judge(HTTP_REFUSED, REASON_AWS_UNREACHABLE, "");
    assert_non_null(strstr(failure.message, " (words of the system)"));
}

/* A setting that led there is named, but where the proxy or the answer is to blame. */
static void accused(void **state) {
    (void)state;
    endpoint.accused = "AWS_ENDPOINT_URL_STS";
    judge(HTTP_REFUSED, REASON_AWS_UNREACHABLE,
          "AWS_ENDPOINT_URL_STS led to this host: take it out if that is not meant; otherwise let this pod "
          "reach");
    judge(HTTP_TLS_TIMEOUT, REASON_AWS_UNREACHABLE, "the URL must begin with http://, or has the wrong port");
    assert_non_null(strstr(failure.remedy, "AWS_ENDPOINT_URL_STS led to this host"));
    judge(HTTP_TLS_NAME, REASON_TLS_FAILED, "another server answers");
    assert_null(strstr(failure.remedy, "led to this host"));
    response.proxy_variable = "HTTPS_PROXY";
    judge(HTTP_REFUSED, REASON_AWS_UNREACHABLE, "check HTTPS_PROXY");
    assert_null(strstr(failure.remedy, "led to this host"));
}

static void proxies(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *remedy;
    } answers[] = {
        {0, "check HTTPS_PROXY, and that this pod reaches that proxy"},
        {407, "http://USER:PASSWORD@HOST:PORT"},
        {502, "the proxy does not reach sts.eu-west-1.amazonaws.com port 443"},
        {503, "the proxy does not reach"},
        {504, "the proxy does not reach"},
        {403, "must let CONNECT sts.eu-west-1.amazonaws.com:443 through"},
        {501, "must let CONNECT"},
        {505, "must let CONNECT"},
    };
    static const enum http_result of_it[] = {HTTP_PROXY,    HTTP_REFUSED,    HTTP_CONNECT_TIMEOUT,
                                             HTTP_NO_ROUTE, HTTP_PROHIBITED, HTTP_NO_FAMILY};
    response.proxy_variable = "HTTPS_PROXY";
    for (size_t i = 0; i < COUNT(answers); i++) {
        response.proxy_status = answers[i].status;
        judge(HTTP_PROXY, REASON_AWS_UNREACHABLE, answers[i].remedy);
    }
    response.proxy_status = 0;
    for (size_t i = 0; i < COUNT(of_it); i++)
        judge(of_it[i], REASON_AWS_UNREACHABLE, "check HTTPS_PROXY");
    judge(HTTP_CONNECT_TIMEOUT, REASON_AWS_UNREACHABLE, "NetworkPolicies, security groups and routes");
    judge(HTTP_REFUSED, REASON_AWS_UNREACHABLE, "NetworkPolicies and firewalls that reject");
    judge(HTTP_PROXY, REASON_AWS_UNREACHABLE, "its name and its port; or add");
    judge(HTTP_NO_ANSWER, REASON_AWS_UNREACHABLE, "look at the log of the proxy in HTTPS_PROXY");
    judge(HTTP_PROXY_TIMEOUT, REASON_AWS_UNREACHABLE, "look at the log of the proxy in HTTPS_PROXY");
    assert_non_null(strstr(failure.remedy, "its way out to sts.eu-west-1.amazonaws.com port 443"));
    judge(HTTP_ANSWER_TIMEOUT, REASON_AWS_UNREACHABLE, "look at what answers at");
    judge(HTTP_TLS_NAME, REASON_TLS_FAILED, "another server");
    response.proxy_status = 200; /* it let us through */
    judge(HTTP_NO_ANSWER, REASON_AWS_UNREACHABLE, "look at what answers at");
    response.proxy_variable = NULL;
    response.proxy_status = 0;
    judge(HTTP_REFUSED, REASON_AWS_UNREACHABLE, "let this pod reach");
}

static enum http_result timed_out(bool connected, bool ready, int proxy_status, bool proxied) {
    const struct http_response r = {.proxy_status = proxy_status,
                                    .proxy_variable = proxied ? "HTTPS_PROXY" : NULL};
    return http_result_of_timeout(connected, ready, &r);
}

static void verdicts_of_the_system(void **state) {
    (void)state;
    static const struct {
        int error;
        enum http_result result;
    } errors[] = {{111, HTTP_REFUSED},         {101, HTTP_NO_ROUTE}, {113, HTTP_NO_ROUTE},
                  {13, HTTP_PROHIBITED},       {1, HTTP_PROHIBITED}, {22, HTTP_PROHIBITED},
                  {97, HTTP_NO_FAMILY},        {99, HTTP_NO_FAMILY}, {0, HTTP_FAILED},
                  {110, HTTP_CONNECT_TIMEOUT}, {5, HTTP_FAILED}};
    for (size_t i = 0; i < COUNT(errors); i++)
        assert_int_equal(http_result_of_connect(errors[i].error), errors[i].result);
    assert_int_equal(http_result_of_end(0, false), HTTP_NO_ANSWER);
    assert_int_equal(http_result_of_end(0, true), HTTP_CUT_SHORT);
    assert_int_equal(http_result_of_end(200, false), HTTP_NO_ANSWER);
    assert_int_equal(http_result_of_end(299, true), HTTP_CUT_SHORT);
    assert_int_equal(http_result_of_end(300, true), HTTP_PROXY);
    assert_int_equal(http_result_of_end(199, false), HTTP_PROXY);
    assert_int_equal(timed_out(false, false, 0, false), HTTP_CONNECT_TIMEOUT);
    assert_int_equal(timed_out(false, false, 0, true), HTTP_CONNECT_TIMEOUT);
    assert_int_equal(timed_out(true, false, 0, true), HTTP_PROXY_TIMEOUT);
    assert_int_equal(timed_out(true, false, 403, true), HTTP_PROXY_TIMEOUT); /* the answer has begun */
    assert_int_equal(timed_out(true, false, 200, true), HTTP_TLS_TIMEOUT);
    assert_int_equal(timed_out(true, false, 299, true), HTTP_TLS_TIMEOUT);
    assert_int_equal(timed_out(true, false, 0, false), HTTP_TLS_TIMEOUT);
    assert_int_equal(timed_out(true, true, 200, true), HTTP_ANSWER_TIMEOUT);
    assert_int_equal(timed_out(true, true, 0, false), HTTP_ANSWER_TIMEOUT);
    assert_int_equal(http_result_of_lookup(RESOLVER_NO_NAME), HTTP_NO_NAME);
    assert_int_equal(http_result_of_lookup(RESOLVER_ERROR), HTTP_DNS_ERROR);
    assert_int_equal(http_result_of_lookup(RESOLVER_SILENT), HTTP_DNS_SILENT);
    assert_false(http_result_of_tls(HTTP_TLS_CLOSED));
    assert_true(http_result_of_tls(HTTP_TLS_UNTRUSTED) && http_result_of_tls(HTTP_TLS));
    assert_false(http_result_of_tls(HTTP_FAILED));
    assert_string_equal(http_result_cause(HTTP_REFUSED), "refused");
    assert_string_equal(http_result_text(HTTP_FAILED), "failed");
}

static const char *detail(enum http_result result, int proxy_status, bool in_body) {
    static char text[HTTP_DETAIL_MAX];
    struct buf b = BUF(text);
    response = (struct http_response){.result = result, .proxy_status = proxy_status};
    http_result_detail(&response, in_body, "192.0.2.1", &b);
    return text;
}

static void what_is_known(void **state) {
    (void)state;
    assert_string_equal(detail(HTTP_PROXY, 403, false), "it answered 403 to CONNECT");
    assert_string_equal(detail(HTTP_PROXY, 0, false), "its answer to CONNECT is not HTTP");
    assert_string_equal(detail(HTTP_NOT_HTTP, 0, true), "its chunks are malformed");
    assert_string_equal(detail(HTTP_NOT_HTTP, 0, false), "");
    assert_string_equal(detail(HTTP_TLS_TIMEOUT, 0, false), "TCP reached 192.0.2.1");
    assert_string_equal(detail(HTTP_PROXY_TIMEOUT, 0, false), "TCP reached 192.0.2.1");
    assert_string_equal(detail(HTTP_CONNECT_TIMEOUT, 0, false), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_way, fresh), cmocka_unit_test_setup(accused, fresh),
        cmocka_unit_test_setup(proxies, fresh),  cmocka_unit_test(verdicts_of_the_system),
        cmocka_unit_test(what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
