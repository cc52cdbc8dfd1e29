/* When the agent is ready, what its probes say, and the command that asks. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/probes.h"
#include "agent/trust.h"

static bool trusting, unread;

bool trust_ready(void) {
    return trusting;
}

void trust_explain(struct buf *out) {
    unread = true;
    buf_str(out, "not ready: no keys\n");
}

static struct settings s;
static char text[PROBES_TEXT_MAX];

static int ask(const char *path) {
    struct buf body = BUF(text);
    buf_reset(&body);
    int status = probes_answer(&s, path, &body);
    assert_false(body.overflow);
    return status;
}

static void stands(enum probes_address first, enum probes_address second) {
    s.host_count = 2;
    s.port = 80;
    strcpy(s.hosts[0].text, "169.254.170.23");
    strcpy(s.hosts[1].text, "[fd00:ec2::23]");
    probes_set(0, first, first == PROBES_TAKEN ? "Address already in use\nby another" : NULL);
    probes_set(1, second, NULL);
}

static void readiness(void **state) {
    (void)state;
    const struct {
        enum probes_address first, second;
        bool ready;
        const char *says;
    } rows[] = {
        {PROBES_PENDING, PROBES_PENDING, false,
         "not ready: 169.254.170.23:80 is not bound yet\nnot ready: [fd00:ec2::23]:80"},
        {PROBES_BOUND, PROBES_PENDING, false, "not ready: [fd00:ec2::23]:80 is not bound yet\n"},
        {PROBES_BOUND, PROBES_BOUND, true, "ok\n"},
        {PROBES_BOUND, PROBES_ABSENT, true, "ok\n"}, /* a node without IPv6 */
        {PROBES_ABSENT, PROBES_BOUND, true, "ok\n"},
        {PROBES_ABSENT, PROBES_ABSENT, false, "pod-identity-agent initialize"},
        {PROBES_TAKEN, PROBES_BOUND, false,
         "169.254.170.23:80 is not bound: Address already in use?by another\n"},
        {PROBES_TAKEN, PROBES_ABSENT, false, "169.254.170.23:80 is not bound: "},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        stands(rows[i].first, rows[i].second);
        assert_int_equal(probes_ready(&s), rows[i].ready);
        assert_int_equal(ask("/readyz"), rows[i].ready ? 200 : 503);
        if (strstr(text, rows[i].says) == NULL)
            fail_msg("%zu: %s", i, text);
        assert_int_equal(ask("/healthz"), 200); /* a port that is taken is no reason to start anew */
        assert_string_equal(text, "ok\n");
    }
    assert_int_equal(ask("/"), 404);
    assert_int_equal(ask("/readyz/"), 404);
    assert_int_equal(ask("/metrics"), 404);
}

/* With associations there is more to wait for; without them nobody looks at it. */
static void readiness_of_trust(void **state) {
    (void)state;
    s.association_count = 1;
    stands(PROBES_BOUND, PROBES_ABSENT);
    assert_false(probes_ready(&s));
    assert_int_equal(ask("/readyz"), 503);
    assert_string_equal(text, "not ready: no keys\n");
    assert_int_equal(ask("/healthz"), 200);
    stands(PROBES_PENDING, PROBES_ABSENT);
    assert_int_equal(ask("/readyz"), 503);
    assert_string_equal(text, "not ready: no keys\nnot ready: 169.254.170.23:80 is not bound yet\n");
    trusting = true;
    assert_false(probes_ready(&s));
    stands(PROBES_BOUND, PROBES_ABSENT);
    assert_true(probes_ready(&s));
    assert_int_equal(ask("/readyz"), 200);
    s.association_count = 0;
    trusting = unread = false;
    assert_true(probes_ready(&s));
    assert_int_equal(ask("/readyz"), 200);
    assert_false(unread);
}

/* The longest that can be said fits. */
static void all_taken(void **state) {
    (void)state;
    char detail[4 * PROBES_DETAIL_MAX];
    memset(detail, 'x', sizeof detail - 1);
    detail[sizeof detail - 1] = '\0';
    s.host_count = FLAGS_HOSTS_MAX;
    for (size_t i = 0; i < FLAGS_HOSTS_MAX; i++) {
        strcpy(s.hosts[i].text, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]");
        probes_set(i, PROBES_TAKEN, detail);
    }
    s.port = 65535;
    assert_int_equal(ask("/readyz"), 503);
    assert_int_equal(strncmp(text + strlen(text) - 4, "...\n", 4), 0);
}

/* ---- the command ---- */

/* A server on a free port that says these bytes to one client; without any it closes at once. */
static uint16_t serve(const char *bytes, pid_t *child) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *child = fork();
    assert_true(*child >= 0);
    if (*child == 0) {
        char request[512];
        int client = accept(fd, NULL, NULL);
        ssize_t n = recv(client, request, sizeof request - 1, 0);
        request[n > 0 ? n : 0] = '\0';
        bool asked = strncmp(request, "GET /readyz HTTP/1.1\r\n", 22) == 0;
        ssize_t sent = asked ? send(client, bytes, strlen(bytes), MSG_NOSIGNAL) : -1;
        shutdown(client, SHUT_WR);
        while (recv(client, request, sizeof request, 0) > 0)
            continue;
        _exit(sent == (ssize_t)strlen(bytes) ? 0 : 1);
    }
    close(fd);
    return ntohs(address.sin_port);
}

static bool probe_it(uint16_t port) {
    struct buf problem = BUF(text);
    buf_reset(&problem);
    s.probe_port = port;
    return probe(&s, &problem);
}

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"

static void command(void **state) {
    (void)state;
    static char large[8192];
    memset(large, 'A', sizeof large - 1);
    const struct {
        const char *bytes;
        bool ready;
        const char *says;
    } rows[] = {
        {OK, true, ""},
        {"HTTP/1.1 503 Service Unavailable\r\n\r\nnot ready: a:80 is not bound: x\nnot ready: b:80 is not "
         "bound yet\n",
         false, "not ready: a:80 is not bound: x; not ready: b:80 is not bound yet"},
        {"HTTP/1.1 200 OK\r\n\r\nHello", false, "is not this agent's server (status 200)"},
        {"HTTP/1.1 500 Oops\r\n\r\nx", false, "is not this agent's server (status 500)"},
        {"HTTP/1.1 503 Busy\r\n\r\n<html>", false, "is not this agent's server (status 503)"},
        {"SSH-2.0-OpenSSH\r\n\r\n", false, "is not this agent's server"},
        {"HTTP/1.1 200 OK\r\n", false, "is not this agent's server"},
        {"", false, "is not this agent's server"},
        {large, false, "is not this agent's server"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        pid_t child;
        int status;
        uint16_t port = serve(rows[i].bytes, &child);
        bool ready = probe_it(port);
        if (ready != rows[i].ready || strstr(text, rows[i].says) == NULL)
            fail_msg("%zu: %s", i, text);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (strlen(rows[i].bytes) < 4096)
            assert_int_equal(status, 0);
    }
    pid_t child;
    uint16_t port = serve(OK, &child);
    assert_true(probe_it(port));
    waitpid(child, NULL, 0);
    assert_false(probe_it(port)); /* gone */
    assert_non_null(strstr(text, "nobody listens there"));
    assert_false(probe_it(0));
    assert_non_null(strstr(text, "--probe-port is 0"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readiness),
        cmocka_unit_test(readiness_of_trust),
        cmocka_unit_test(all_taken),
        cmocka_unit_test(command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
