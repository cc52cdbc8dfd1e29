/* The command line as the EKS Pod Identity Agent reads it, the variables, and what is refused with which
 * words. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "agent/flags.h"
#include "agent/flags_table.h"

static struct settings s;
static char problem_text[FLAGS_PROBLEM_MAX], help_text[FLAGS_HELP_MAX];
static const char *log_text;

/* Reads the words, which blanks separate. What is logged goes to log_text. */
static enum flags_result words(const char *program, const char *line) {
    static char copy[4096];
    char *argv[64] = {(char *)(uintptr_t)program};
    int argc = 1, kept = dup(2), log = open(scratch_path("log"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    struct buf problem = BUF(problem_text), help = BUF(help_text);
    buf_reset(&problem);
    buf_reset(&help);
    snprintf(copy, sizeof copy, "%s", line);
    for (char *at = strtok(copy, " "); at != NULL; at = strtok(NULL, " "))
        argv[argc++] = at;
    memset(&s, 0, sizeof s);
    dup2(log, 2);
    enum flags_result result = flags_read(argc, argv, &s, &problem, &help);
    dup2(kept, 2);
    close(kept);
    close(log);
    size_t len;
    log_text = read_file(scratch_path("log"), &len);
    return result;
}

static enum flags_result read_line(const char *line) {
    return words("/pod-identity-agent", line);
}

static void takes(const char *line) {
    if (read_line(line) != FLAGS_RUN)
        fail_msg("%s: %s", line, problem_text);
}

static void refuses(const char *line, const char *says) {
    enum flags_result result = read_line(line);
    if (result != FLAGS_USAGE || strstr(problem_text, says) == NULL || strstr(help_text, "Usage: ") == NULL)
        fail_msg("%s: %d %s", line, (int)result, problem_text);
}

static void defaults(void **state) {
    (void)state;
    takes("server -c demo");
    assert_int_equal(s.command, COMMAND_SERVER);
    assert_string_equal(s.cluster_name, "demo");
    assert_int_equal(s.port, 80);
    assert_int_equal(s.probe_port, 2703);
    assert_int_equal(s.metrics_port, 2705);
    assert_string_equal(s.metrics_host.text, "0.0.0.0");
    assert_int_equal(s.host_count, 2);
    assert_string_equal(s.hosts[0].text, "169.254.170.23");
    assert_memory_equal(s.hosts[0].address, "\xA9\xFE\xAA\x17", 4);
    assert_string_equal(s.hosts[1].text, "[fd00:ec2::23]");
    assert_true(s.hosts[1].ipv6 && s.hosts[1].address[0] == 0xFD && s.hosts[1].address[15] == 0x23);
    assert_true(s.retention_ms == 3 * 3600000);
    assert_int_equal(s.cache_size, 2000);
    assert_int_equal(s.service_qps, 3);
    assert_false(s.rotate_credentials || s.token_review || s.pass_expired);
    assert_int_equal(s.max_concurrency, 8);
    assert_int_equal(s.cache_bytes, 16777216);
    assert_string_equal(s.audience, "pods.eks.amazonaws.com");
    assert_int_equal(s.log_level, LOG_INFO);
    assert_int_equal(s.log_format, LOG_JSON);
    assert_int_equal(s.sandbox, SANDBOX_AUTO);
    assert_int_equal(s.exchange, FLAGS_WEB_IDENTITY);
    assert_true(s.endpoint == NULL && s.region == NULL && s.jwks == NULL && s.association_count == 0);
    assert_string_equal(log_text, "");
}

/* One word, two words, a letter in its four forms. */
static void forms(void **state) {
    (void)state;
    static const char *const same[] = {
        "server -c demo -p 8080",
        "server -c demo -p8080",
        "server -c demo -p=8080",
        "server -c=demo --port=8080",
        "server --cluster-name demo --port 8080",
        "--port 8080 server -cdemo",
        "-c demo server -p 0x1f90",
    };
    for (size_t i = 0; i < COUNT(same); i++) {
        takes(same[i]);
        assert_int_equal(s.port, 8080);
        assert_string_equal(s.cluster_name, "demo");
        assert_string_equal(log_text, "");
    }
}

/* The arguments that the chart makes, and what its values add. */
static void the_charts_own(void **state) {
    (void)state;
    assert_int_equal(words("/go-runner",
                           "/eks-pod-identity-agent server --port 80 --cluster-name EKS_CLUSTER_NAME "
                           "--probe-port 2703 --metrics-port 2705 -v trace --rotate-credentials true"),
                     FLAGS_RUN);
    assert_string_equal(s.cluster_name, "EKS_CLUSTER_NAME");
    assert_true(s.rotate_credentials);
    assert_int_equal(s.log_level, LOG_DEBUG);
    assert_string_equal(log_text, "");
    assert_int_equal(words("/go-runner", "/eks-pod-identity-agent initialize -v trace"), FLAGS_RUN);
    assert_int_equal(s.command, COMMAND_INITIALIZE);
    assert_int_equal(words("/eks-pod-identity-agent", "server --cluster-name demo"), FLAGS_RUN);
    /* as in the real agent: the flag is on, and the word is read by nobody */
    takes("server -c demo --rotate-credentials false");
    assert_true(s.rotate_credentials);
    assert_non_null(strstr(log_text, "rotate-credentials"));
    takes("server -c demo --rotate-credentials=false");
    assert_false(s.rotate_credentials);
    takes("server -c demo --rotate-credentials --port 81");
    assert_true(s.rotate_credentials && s.port == 81);
    takes("server -c demo stray");
    assert_non_null(strstr(log_text, "stray"));
    takes("server -c demo -- --unread");
    assert_non_null(strstr(log_text, "--unread"));
}

static void go_runner(void **state) {
    (void)state;
    static const char *const good[] = {
        "--log-file=/var/log/x --also-stdout --redirect-stderr=false /eks-pod-identity-agent server -c demo",
        "-log-file /var/log/x -also-stdout=true /eks-pod-identity-agent server -c demo",
        "-- /eks-pod-identity-agent server -c demo",
        "--redirect-stderr eks-pod-identity-agent server -c demo",
        "/usr/bin/pod-identity-agent server -c demo",
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        if (words("/go-runner", good[i]) != FLAGS_RUN)
            fail_msg("%s: %s", good[i], problem_text);
        assert_string_equal(s.cluster_name, "demo");
        assert_true((strstr(good[i], "log-file") != NULL) == (strstr(log_text, "--log-file") != NULL));
    }
    const struct {
        const char *line, *says;
    } bad[] = {
        {"/bin/sh -c x", "nothing but /eks-pod-identity-agent here, and not /bin/sh"},
        {"", "the program is missing"},
        {"--log-file=/x", "the program is missing"},
        {"--log-file", "the program is missing"},
        {"--unknown /eks-pod-identity-agent server", "go-runner: unknown flag: --unknown"},
        {"--port 80 /eks-pod-identity-agent server", "go-runner: unknown flag: --port"},
        {"/eks-pod-identity-agent-2 server", "nothing but"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (words("go-runner", bad[i].line) != FLAGS_USAGE || strstr(problem_text, bad[i].says) == NULL)
            fail_msg("%s: %s", bad[i].line, problem_text);
    }
    /* under its own name those flags are unknown */
    refuses("--log-file=/x server -c demo", "unknown flag: --log-file");
}

static void hosts(void **state) {
    (void)state;
    takes("server -c demo -b 127.0.0.1");
    assert_int_equal(s.host_count, 1);
    assert_string_equal(s.hosts[0].text, "127.0.0.1");
    takes("server -c demo -b 127.0.0.1 --bind-hosts [::1]");
    assert_int_equal(s.host_count, 2);
    takes("server -c demo --bind-hosts=127.0.0.2,[fd00:ec2::23],::1");
    assert_int_equal(s.host_count, 3);
    assert_string_equal(s.hosts[2].text, "[::1]");
    refuses("server -c demo -b 127.0.0.1 -b localhost", "there twice");
    refuses("server -c demo -b 127.0.0.1,", "not an address");
    refuses("server -c demo -b node.example", "names are not looked up");
    refuses("server -c demo -b [127.0.0.1]", "not an address");
    refuses("server -c demo -b 127.0.0.1:80", "the port is --port's");
    refuses("server -c demo -b [fd00::1", "not an address");
    refuses(
        "server -c demo -b 10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5,10.0.0.6,10.0.0.7,10.0.0.8,10.0.0.9",
        "more than 8 addresses");
    takes("server -c demo --metrics-address=");
    assert_string_equal(s.metrics_host.text, "0.0.0.0");
    takes("server -c demo --metrics-address [::]");
    assert_true(s.metrics_host.ipv6);
}

static void ports_that_meet(void **state) {
    (void)state;
    refuses("server -c demo --probe-port 2705", "--probe-port and --metrics-port are both 2705");
    refuses("server -c demo --port 2705", "--port and --metrics-port are both 2705");
    refuses("server -c demo --port 2703 -b 127.0.0.1", "--port and --probe-port are both 2703");
    refuses("server -c demo --metrics-port 80 --metrics-address [::]", "both 80");
    takes("server -c demo --port 2703");
    takes("server -c demo --probe-port 0 --metrics-port 0");
    takes("server -c demo --probe-port 2705 --metrics-address 10.0.0.1");
}

static void refusals(void **state) {
    (void)state;
    const struct {
        const char *line, *says;
    } rows[] = {
        {"server", "required flag \"cluster-name\" is not set"},
        {"server -c demo --portt 80", "unknown flag: --portt; did you mean --port?"},
        {"server -c demo --profile x", "unknown flag: --profile"},
        {"server -c demo -x", "unknown shorthand flag: -x"},
        {"server -c demo --endpoint-url=https://a.example", "unknown flag: --endpoint-url"},
        {"serve -c demo", "unknown command \"serve\"; did you mean server?"},
        {"run", "unknown command \"run\": server, initialize, probe or version"},
        {"--port 80", "a command is missing"},
        {"server -c demo -p", "flag needs an argument: -p, --port=PORT"},
        {"server --cluster-name --port 80", "flag needs an argument: --cluster-name=NAME"},
        {"server -c demo --port 0", "--port=0: not from 1 to 65535"},
        {"server -c demo --port 65536", "not from 1 to 65535"},
        {"server -c demo --port http", "--port=http: not a whole number"},
        {"server -c demo -p80x", "-p, --port=80x: not a whole number"},
        {"server -c d.e", "a cluster's name has 1 to 100"},
        {"server -c ${CLUSTER}", "a reference that was not expanded"},
        {"server -c demo --max-credential-retention-before-renewal 3", "a unit is missing"},
        {"server -c demo --max-credential-retention-before-renewal=-1h", "negative"},
        {"server -c demo --max-cache-size=-1", "not from 0"},
        {"server -c demo --max-cache-size many", "not a whole number"},
        {"server -c demo --max-service-qps 0.5", "not a whole number"},
        {"server -c demo --max-concurrency 0", "not from 1 to 32"},
        {"server -c demo --max-concurrency 33", "not from 1 to 32"},
        {"server -c demo --max-cache-bytes 1Ki", "not from 1048576 to 67108864"},
        {"server -c demo --max-cache-bytes 65Mi", "not from 1048576 to 67108864"},
        {"server -c demo --max-cache-bytes 16MB", "a number of bytes"},
        {"server -c demo --endpoint eks-auth.example", "not a URL"},
        {"server -c demo --endpoint http://10.0.0.1", "not https"},
        {"server -c demo --endpoint https://user:geheim@eks.example", "not a URL"},
        {"server -c demo --sts-endpoint https://sts.example/?x=1", "not a URL"},
        {"server -c demo --region eu-central-1a", "is a zone"},
        {"server -c demo --region Frankfurt", "is not a region name"},
        {"server -c demo --ca-bundle ca.pem", "--ca-bundle=ca.pem: not an absolute path"},
        {"server -c demo -v loud", "not one of panic, fatal, error, warn, warning, info, debug, trace"},
        {"server -c demo --log-level trace", "not one of error, warn, info, debug"},
        {"server -c demo --log-format xml", "not one of text, json"},
        {"server -c demo --sandbox on", "not one of auto, require, off"},
        {"server -c demo --expired maybe", "not one of refuse, pass"},
        {"server -c demo --rotate-credentials=maybe", "neither true nor false"},
        {"server -c demo --remove-startup-taint example.com/x=y:NoSchedule", "without value and effect"},
        {"server -c demo --remove-startup-taint /x", "not the key of a taint"},
        {"server -c demo --issuer https://i.example", "--issuer is about --associations"},
        {"server -c demo --token-review", "--token-review is about --associations"},
        {"server -c demo --exchange assume-role", "--exchange is about --associations"},
        {"server -c demo --associations /a", "--associations needs --issuer"},
        {"server -c demo --associations a --issuer https://i.example", "neither an absolute folder"},
        {"server -c demo --associations configmap:x --issuer https://i.example",
         "not configmap:NAMESPACE/NAME"},
        {"server -c demo --associations configmap:x/ --issuer https://i.example",
         "not configmap:NAMESPACE/NAME"},
        {"server -c demo --associations configmap:x/y/z --issuer https://i.example",
         "not configmap:NAMESPACE/NAME"},
        {"server -c demo --associations /a --associations /a", "there twice"},
        {"server -c demo --associations /a --issuer i --exchange both",
         "not one of web-identity, assume-role"},
        {"server -c demo --associations /a --issuer i --endpoint https://e.example",
         "--endpoint is of EKS Auth"},
        {"server -c demo --associations /a --issuer i --jwks /keys/", "a folder, where a file"},
        {"server -c demo --associations /a --issuer i --cluster-arn demo", "not the ARN of a cluster"},
        {"server -c demo --associations /a --issuer i --api-server http://10.0.0.1", "not https://HOST"},
        {"server -c demo --associations /a --issuer a --issuer b --issuer c --issuer d --issuer e",
         "more than 4"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        refuses(rows[i].line, rows[i].says);
        assert_null(strstr(problem_text, "geheim"));
    }
}

static void ours(void **state) {
    (void)state;
    takes("server -c demo --associations /a --associations configmap:pod-identity/associations --issuer "
          "https://i.example "
          "--issuer kubernetes/serviceaccount --exchange assume-role --audience x --jwks /k.json "
          "--api-server https://10.0.0.1:6443 "
          "--token-review true --cluster-arn arn:aws:eks:eu-central-1:111122223333:cluster/demo --region "
          "eu-central-1 "
          "--sts-endpoint https://sts.example --ca-bundle /ca.pem --max-concurrency 32 --max-cache-bytes "
          "64Mi --expired pass "
          "--remove-startup-taint example.com/agent-not-ready --sandbox require --log-level warn "
          "--log-format text -v trace");
    assert_int_equal(s.association_count, 2);
    assert_string_equal(s.associations[1], "configmap:pod-identity/associations");
    assert_int_equal(s.issuer_count, 2);
    assert_true(s.exchange == FLAGS_ASSUME_ROLE && s.token_review && s.pass_expired);
    assert_true(s.sandbox == SANDBOX_REQUIRE && s.log_level == LOG_WARN && s.log_format == LOG_LOGFMT);
    assert_true(s.max_concurrency == 32 && s.cache_bytes == 67108864);
    assert_string_equal(s.remove_startup_taint, "example.com/agent-not-ready");
    takes("server -c demo --max-service-qps -2");
    assert_int_equal(s.service_qps, 3);
    takes("server -c demo --max-service-qps 0");
    assert_int_equal(s.service_qps, 3);
    takes("server -c demo --max-cache-size 100000");
    assert_int_equal(s.cache_size, FLAGS_CACHE_SIZE_MAX);
    assert_non_null(strstr(log_text, "100000"));
    takes("server -c demo --max-cache-size 0 --max-credential-retention-before-renewal 0");
    assert_true(s.cache_size == 0 && s.retention_ms == 0);
}

/* ---- variables ---- */

static void clear_variables(void) {
    static const char *const names[] = {"CLUSTER_NAME",
                                        "PORT",
                                        "BIND_HOSTS",
                                        "ISSUER",
                                        "ASSOCIATIONS",
                                        "ROTATE_CREDENTIALS",
                                        "VERBOSITY",
                                        "PROBE_PORT",
                                        "METRICS_PORT",
                                        "SERVICE_HOST",
                                        "SERVICE_PORT",
                                        "PORT_80_TCP_ADDR",
                                        "METRICS_PORT_2705_TCP",
                                        "CLUSTERNAME"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char name[80];
        snprintf(name, sizeof name, "POD_IDENTITY_AGENT_%s", names[i]);
        unsetenv(name);
    }
}

static void set(const char *name, const char *value) {
    char full[80];
    snprintf(full, sizeof full, "POD_IDENTITY_AGENT_%s", name);
    setenv(full, value, 1);
}

static void variables(void **state) {
    (void)state;
    clear_variables();
    set("CLUSTER_NAME", "demo");
    set("PORT", "8080");
    set("BIND_HOSTS", "127.0.0.1 [::1]");
    set("ISSUER", "https://a.example https://b.example");
    set("ASSOCIATIONS", "/a");
    set("ROTATE_CREDENTIALS", "true");
    takes("server");
    assert_string_equal(s.cluster_name, "demo");
    assert_int_equal(s.port, 8080);
    assert_int_equal(s.host_count, 2);
    assert_string_equal(s.issuers[1], "https://b.example");
    assert_true(s.rotate_credentials);
    assert_string_equal(log_text, "");
    takes("server -p 81 --bind-hosts 127.0.0.9 --issuer c"); /* the flag takes the place of all of it */
    assert_true(s.port == 81 && s.host_count == 1 && s.issuer_count == 1);
    takes("server --rotate-credentials=false");
    assert_false(s.rotate_credentials);
    set("PORT", "eighty");
    refuses("server", "POD_IDENTITY_AGENT_PORT=eighty: not a whole number");
    takes("server --port 80");
    takes("version");
    assert_int_equal(s.command, COMMAND_VERSION);
    assert_int_equal(read_line("server --help"), FLAGS_HELP);
    clear_variables();
}

/* Those that Kubernetes sets for a Service called pod-identity-agent, or one whose name begins so. */
static void variables_of_a_service(void **state) {
    (void)state;
    clear_variables();
    set("PORT", "tcp://10.96.0.7:80");
    set("PROBE_PORT", "tcp://10.96.0.8:2703");
    set("METRICS_PORT", "udp://10.96.0.8:2703");
    set("SERVICE_HOST", "10.96.0.7");
    set("SERVICE_PORT", "80");
    set("PORT_80_TCP_ADDR", "10.96.0.7");
    set("METRICS_PORT_2705_TCP", "tcp://10.96.0.8:2703");
    takes("server -c demo");
    assert_true(s.port == 80 && s.probe_port == 2703 && s.metrics_port == 2705);
    assert_string_equal(log_text, "");
    clear_variables();
    set("CLUSTERNAME", "demo");
    takes("server -c demo");
    assert_non_null(strstr(log_text, "POD_IDENTITY_AGENT_CLUSTERNAME"));
    assert_non_null(strstr(log_text, "POD_IDENTITY_AGENT_CLUSTER_NAME"));
    clear_variables();
}

/* ---- help ---- */

static void help(void **state) {
    (void)state;
    static const char *const lines[] = {"",     "--help",      "server -h",
                                        "help", "help server", "server --unknown --help"};
    for (size_t i = 0; i < COUNT(lines); i++) {
        assert_int_equal(read_line(lines[i]), FLAGS_HELP);
        for (const struct option_spec *spec = flags_table; spec->name != NULL; spec++) {
            bool shown = strstr(help_text, spec->name) != NULL;
            bool wanted = option_is_group(spec) || *option_part(spec, OPTION_HELP) != '\0';
            if (shown != wanted)
                fail_msg("%s is %sin --help", spec->name, shown ? "" : "not ");
        }
        assert_true(strlen(help_text) < FLAGS_HELP_MAX - 1);
        assert_non_null(strstr(help_text, "  -p, --port PORT"));
    }
    for (const char *at = help_text; *at != '\0'; at += strcspn(at, "\n") + 1)
        assert_true(strcspn(at, "\n") <= 80);
}

static void lookup(void **state) {
    (void)state;
    setenv("AWS_REGION", "us-east-1", 1);
    setenv("AWS_ENDPOINT_URL_STS", "https://other.example", 1);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials", 1);
    takes("server -c demo");
    flags_lookup_open(&s);
    assert_string_equal(flags_lookup("AWS_REGION"), "us-east-1");
    assert_string_equal(flags_lookup("AWS_ENDPOINT_URL_STS"), "https://other.example");
    assert_null(flags_lookup("AWS_ENDPOINT_URL_EKS_AUTH"));
    assert_null(flags_lookup("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
    takes("server -c demo --region eu-west-1 --endpoint https://e.example --sts-endpoint https://s.example");
    assert_string_equal(flags_lookup("AWS_REGION"), "eu-west-1");
    assert_string_equal(flags_lookup("AWS_ENDPOINT_URL_STS"), "https://s.example");
    assert_string_equal(flags_lookup("AWS_ENDPOINT_URL_EKS_AUTH"), "https://e.example");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),       cmocka_unit_test(forms),
        cmocka_unit_test(the_charts_own), cmocka_unit_test(go_runner),
        cmocka_unit_test(hosts),          cmocka_unit_test(ports_that_meet),
        cmocka_unit_test(refusals),       cmocka_unit_test(ours),
        cmocka_unit_test(variables),      cmocka_unit_test(variables_of_a_service),
        cmocka_unit_test(help),           cmocka_unit_test(lookup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
