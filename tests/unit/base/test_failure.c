#include "tests/unit/unit.h"

#include "common/base/failure.h"

static void reasons_and_numbers_are_an_interface(void **state) {
    (void)state;
    static const struct {
        int number;
        const char *name;
    } table[] = {
        {0, "OK"},
        {10, "NOT_INJECTED"},
        {11, "INJECTION_INVALID"},
        {12, "TOKEN_UNREADABLE"},
        {13, "TOKEN_INVALID"},
        {14, "SETTING_INVALID"},
        {20, "AGENT_UNREACHABLE"},
        {21, "ACCESS_DENIED"},
        {22, "THROTTLED"},
        {23, "BAD_RESPONSE"},
        {24, "AWS_UNREACHABLE"},
        {25, "TLS_FAILED"},
        {30, "UNEXPECTED_IDENTITY"},
        {64, "USAGE"},
        {70, "INTERNAL"},
        {99, "INTERNAL"},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        assert_string_equal(reason_name((enum reason)table[i].number), table[i].name);
}

static void beginning_clears_and_remedies_are_bounded(void **state) {
    (void)state;
    static struct failure f;
    static char text[4096];
    memset(&f, 'x', sizeof f);
    struct buf m = failure_begin(&f, REASON_THROTTLED);
    assert_int_equal(f.reason, REASON_THROTTLED);
    assert_false(f.permanent);
    assert_int_equal(f.retry_after_ms, 0);
    assert_string_equal(f.remedy, "");
    buf_str(&m, "what");
    assert_string_equal(f.message, "what");
    memset(text, 'r', sizeof text - 1);
    failure_remedy(&f, "%s", text);
    assert_int_equal(strlen(f.remedy), FAILURE_REMEDY_MAX - 1);
    /* Both, with name and number, go into a termination log. */
    assert_true(FAILURE_MESSAGE_MAX + FAILURE_REMEDY_MAX + 64 <= 4096);
}

static void phrases_are_written_out(void **state) {
    (void)state;
    static struct failure f;
    failure_remedy(&f, "a " FAILURE_AGENT_LOG ", %s" FAILURE_SHOWN_BY FAILURE_PROXYS, FAILURE_CLOCK);
    assert_string_equal(
        f.remedy,
        "a the agent's log (kubectl -n kube-system logs ds/eks-pod-identity-agent), compare the "
        "node's clock with the real time (chronyc tracking); openssl s_client -connect HOST:443 "
        "-servername HOST -showcerts </dev/null shows what is sent; where a proxy opens TLS, that is "
        "the proxy's");
    failure_remedy(&f, FAILURE_NOT_AGENT "; " FAILURE_WAIT "x" FAILURE_MESH FAILURE_ISTIO
                                         "Ports, " FAILURE_LINKERD "80");
    assert_non_null(strstr(
        f.remedy, "something other than the EKS Pod Identity Agent answers there; wait and try again; if it "
                  "lasts, look at x. Or, in a pod of a service mesh"));
    assert_non_null(strstr(f.remedy, "annotate the pod with traffic.sidecar.istio.io/excludeOutboundPorts, "
                                     "config.linkerd.io/skip-outbound-ports: 80"));
    failure_remedy(&f, "\xe2\x80\xa6 stays"); /* beyond ASCII, whether char has a sign or not */
    assert_string_equal(f.remedy, "\xe2\x80\xa6 stays");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phrases_are_written_out),
        cmocka_unit_test(reasons_and_numbers_are_an_interface),
        cmocka_unit_test(beginning_clears_and_remedies_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
