/* The client of a Unix socket, against a server of the test that sends what it is told, and the socket that
 * listen_unix() makes. */
#include "tests/unit/unit.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/serve/listen.h"
#include "common/serve/unix_client.h"

static struct unix_answer answer;
static char text[UNIX_CLIENT_PROBLEM_MAX], path[128];
static struct buf problem;
static int listener = -1;

static int fresh(void **state) {
    (void)state;
    problem = BUF(text);
    memset(&answer, 0, sizeof answer);
    if (listener >= 0)
        close(listener);
    unlink(path);
    snprintf(path, sizeof path, "%s", scratch_path("s"));
    listener = listen_unix(path, 0600, (gid_t)-1, &problem);
    assert_true(listener >= 0);
    return 0;
}

/* Answers one connection in pieces of so many bytes, in another process. */
static void ask_of(const char *bytes, size_t len, size_t piece, const char *url, bool expected) {
    problem = BUF(text);
    pid_t pid = fork();
    if (pid == 0) {
        char request[512];
        int fd;
        while ((fd = accept(listener, NULL, NULL)) < 0)
            usleep(1000);
        ssize_t n = recv(fd, request, sizeof request - 1, 0);
        request[n > 0 ? n : 0] = '\0';
        char want[300];
        snprintf(want, sizeof want, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", url);
        for (size_t i = 0; i < len; i += piece)
            send(fd, bytes + i, len - i < piece ? len - i : piece, MSG_NOSIGNAL);
        close(fd);
        _exit(strcmp(request, want) == 0 ? 0 : 1);
    }
    bool got = unix_client_get(path, url, &answer, &problem);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    if (got != expected)
        fail_msg("%.*s: %s", (int)len, bytes, text);
}

static void says(const char *part) {
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

#define EMPTY "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
#define WHOLE "HTTP/1.1 200 OK\r\nContent-Type: x\r\nContent-Length: 5\r\n\r\nhello"

static void whole_answers(void **state) {
    (void)state;
    for (size_t piece = 1; piece < sizeof WHOLE; piece += 7) {
        ask_of(WHOLE, sizeof WHOLE - 1, piece, "/v1/credentials", true);
        assert_int_equal(answer.status, 200);
        assert_int_equal(answer.body_len, 5);
        assert_string_equal(answer.body, "hello");
    }
    ask_of(EMPTY, sizeof EMPTY - 1, 100, "/x", true);
    assert_int_equal(answer.status, 503);
    assert_int_equal(answer.body_len, 0);
}

static void torn_answers(void **state) {
    (void)state;
    static const char *const torn[] = {
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\n\r\nhe\r\nContent-Length: 5",
        "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "SSH-2.0-x\r\n",
    };
    for (size_t i = 0; i < COUNT(torn); i++) {
        ask_of(torn[i], strlen(torn[i]), 100, "/", false);
        says("cannot use the answer from ");
        says(path);
        says(": it is cut short, or no answer of a sidecar");
    }
    /* What does not fit is no answer, and no byte beyond is written. */
    enum { HEAD = 42 };
    static char large[UNIX_CLIENT_ANSWER_MAX + 100];
    memset(large, 'x', sizeof large);
    int head = snprintf(large, 64, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
                        UNIX_CLIENT_ANSWER_MAX - 1 - HEAD);
    large[head] = 'x';
    assert_int_equal(head, HEAD);
    ask_of(large, UNIX_CLIENT_ANSWER_MAX - 1, 4096, "/", true);
    ask_of(large, UNIX_CLIENT_ANSWER_MAX, 4096, "/", true); /* the rest is not looked at */
    snprintf(large, 64, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", UNIX_CLIENT_ANSWER_MAX - HEAD);
    large[head] = 'x';
    ask_of(large, UNIX_CLIENT_ANSWER_MAX, 4096, "/", false);
}

static struct moment later(void) {
    static int64_t ms;
    ms += UNIX_CLIENT_TIMEOUT_MS + 1;
    return (struct moment){.mono_ms = ms, .wall_ms = ms};
}

/* The kernel takes the connection and the request; nobody answers. */
static void no_answer_in_time(void **state) {
    (void)state;
    clock_use(later);
    alarm(30); /* it ends at once, or never */
    bool got = unix_client_get(path, "/", &answer, &problem);
    alarm(0);
    clock_use(NULL);
    assert_false(got);
    says(path);
}

static void nobody_there(void **state) {
    (void)state;
    char long_path[120];
    problem = BUF(text);
    close(listener);
    listener = -1;
    assert_false(unix_client_get(path, "/", &answer, &problem));
    says("cannot connect to ");
    says("nobody listens on it");
    unlink(path);
    problem = BUF(text);
    assert_false(unix_client_get(path, "/", &answer, &problem));
    says("there is no such socket");
    memset(long_path, 'x', sizeof long_path);
    long_path[108] = '\0';
    problem = BUF(text);
    assert_false(unix_client_get(long_path, "/", &answer, &problem));
    says("at most 107 bytes");
    long_path[107] = '\0';
    problem = BUF(text);
    assert_false(unix_client_get(long_path, "/", &answer, &problem));
    says("there is no such socket");
    problem = BUF(text);
    assert_false(unix_client_get(scratch_folder(), "/", &answer, &problem));
    says("it is a folder, not a socket");
    problem = BUF(text);
    assert_false(unix_client_get("/dev/null", "/", &answer, &problem));
    says("it is a file, not a socket");
}

static void explains(const char *body, const char *expected) {
    char out_text[2048];
    struct buf out = BUF(out_text);
    answer.body = body;
    answer.body_len = strlen(body);
    unix_client_explain(&answer, &out);
    assert_string_equal(out_text, expected);
}

static void explanations(void **state) {
    (void)state;
    explains("{\"code\":\"X\",\"message\":\"it \\\"is\\\" so\",\"Message\":\"no\"}", "it \"is\" so");
    explains("{\"message\":\"a\\\\b\"}", "a\\b");
    explains("{\"message\":\"cut", "cut");
    explains("{\"message\":\"cut\\", "cut\\");
    explains("{\"message\":\"\"}", "");
    explains("plain text\r\n\n", "plain text");
    explains("", "");
    explains("\n", "");
}

/* ---- the place of the socket ---- */

static void refused(const char *part) {
    problem = BUF(text);
    assert_int_equal(listen_unix(path, 0600, (gid_t)-1, &problem), -1);
    says(part);
}

static void the_place(void **state) {
    (void)state;
    struct stat st;
    char lock[160], said[128];
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0600);
    snprintf(lock, sizeof lock, "%s.lock", path);
    assert_int_equal(stat(lock, &st), -1); /* it is gone again */
    snprintf(said, sizeof said, "another process answers on it (pid %d, uid %u)", (int)getpid(),
             (unsigned)getuid());
    refused(said);
    close(listener);
    problem = BUF(text);
    listener = listen_unix(path, 0666, getgid(), &problem); /* what nobody listens on is taken */
    assert_true(listener >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    assert_int_equal(st.st_gid, getgid());
    assert_int_equal(st.st_uid, getuid());
    unlink(path);
    write_file(path, "x", 1);
    refused("something that is not a socket is there already");
    assert_int_equal(stat(path, &st), 0);
    unlink(path);
    snprintf(path, sizeof path, "%s", scratch_path("absent/s"));
    refused("cannot make its lock in the socket's directory: No such file or directory");
    says("mount an emptyDir volume");
    memset(path, 'x', 108);
    path[108] = '\0';
    refused("at most 107 bytes");
    path[0] = '\0';
}

static void tcp(void **state) {
    (void)state;
    static const unsigned char loopback[16] = {127, 0, 0, 1}, nobody[16] = {192, 0, 2, 1};
    uint16_t port = 0, same;
    problem = BUF(text);
    int fd = listen_tcp(false, loopback, &port, 1, &problem);
    assert_true(fd >= 0 && port > 0);
    int hops = 0;
    socklen_t len = sizeof hops;
    assert_int_equal(getsockopt(fd, 0 /* IPPROTO_IP */, 2 /* IP_TTL */, &hops, &len), 0);
    assert_int_equal(hops, 1);
    same = port;
    assert_int_equal(listen_tcp(false, loopback, &same, 0, &problem), -1);
    says("cannot bind to it: Address already in use");
    close(fd);
    problem = BUF(text);
    fd = listen_tcp(false, loopback, &same, 0, &problem);
    assert_true(fd >= 0);
    assert_int_equal(same, port);
    assert_int_equal(getsockopt(fd, 0, 2, &hops, &len), 0);
    assert_int_not_equal(hops, 1);
    close(fd);
    problem = BUF(text);
    port = 0;
    assert_int_equal(listen_tcp(false, nobody, &port, 0, &problem), -1);
    says("cannot bind to it: Cannot assign requested address");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup(f, fresh)
    const struct CMUnitTest tests[] = {
        TEST(whole_answers), TEST(torn_answers), TEST(no_answer_in_time),
        TEST(nobody_there),  TEST(explanations), TEST(the_place),
        TEST(tcp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
