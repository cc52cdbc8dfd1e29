/* Servers of the test, each in a thread of its own: an agent, an STS over TLS (BearSSL's own server, with the
 * certificate in tests/pki), a proxy that leads to it, and one to which nobody must come. */
#ifndef POD_IDENTITY_TESTS_UPSTREAMS_H
#define POD_IDENTITY_TESTS_UPSTREAMS_H

#include <arpa/inet.h>
#include <bearssl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define TOKEN "tokenOfTheTestThatOnlyItsServerSees"
#define PROXY_PASSWORD "passwordOfTheProxy"
#define PROXY_BASIC "Basic dXNlcjpwYXNzd29yZE9mVGhlUHJveHk="
#define ENDS "2099-01-01T00:00:00Z"

enum upstream { AGENT, STS, PROXY, NOBODY, UPSTREAMS };

static atomic_uint connects, closes; /* of all of them */

static struct {
    int listener;
    uint16_t port;
    atomic_uint connections, requests, wrong; /* wrong: what must not have been sent there */
} upstreams[UPSTREAMS];

/* ---- plain ---- */

/* The head of a request, or less if the client has gone. */
static size_t read_head(int fd, char *out, size_t cap) {
    size_t len = 0;
    while (len < cap - 1 && memmem(out, len, "\r\n\r\n", 4) == NULL) {
        ssize_t n = recv(fd, out + len, cap - 1 - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    out[len] = '\0';
    return len;
}

static void serve_agent(int fd) {
    static const char body[] =
        "{\"AccessKeyId\":\"ASIAAGENT\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"" ENDS
        "\"}";
    char answer[512];
    char head[4096];
    read_head(fd, head, sizeof head);
    if (strstr(head, "\r\n\r\n") == NULL)
        return;
    upstreams[AGENT].requests++;
    if (strncmp(head, "GET /v1/credentials HTTP/1.1\r\n", 30) != 0 || strstr(head, "Proxy-") != NULL ||
        strstr(head, "Authorization: " TOKEN "\r\n") == NULL)
        upstreams[AGENT].wrong++;
    int len = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                       sizeof body - 1, body);
    (void)send(fd, answer, (size_t)len, MSG_NOSIGNAL);
}

static void serve_nobody(int fd) {
    char head[4096];
    read_head(fd, head, sizeof head);
    upstreams[NOBODY].wrong++;
}

static int dial(uint16_t port) {
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool pass_on(int from, int to) {
    char bytes[4096];
    ssize_t n = recv(from, bytes, sizeof bytes, 0);
    if (n > 0 && memmem(bytes, (size_t)n, TOKEN, sizeof TOKEN - 1) != NULL)
        upstreams[PROXY].wrong++;
    return n > 0 && send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n;
}

static void serve_proxy(int fd) {
    static const char yes[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    char head[4096];
    read_head(fd, head, sizeof head);
    if (strstr(head, "\r\n\r\n") == NULL)
        return;
    upstreams[PROXY].requests++;
    if (strncmp(head, "CONNECT sts.example.test:443 HTTP/1.1\r\n", 39) != 0 || strstr(head, TOKEN) != NULL ||
        strstr(head, "\r\nProxy-Authorization: " PROXY_BASIC "\r\n") == NULL)
        upstreams[PROXY].wrong++;
    int there = dial(upstreams[STS].port);
    struct pollfd ends[] = {{.fd = fd, .events = POLLIN}, {.fd = there, .events = POLLIN}};
    bool going = send(fd, yes, sizeof yes - 1, MSG_NOSIGNAL) > 0;
    while (going && poll(ends, 2, -1) > 0) {
        if (ends[0].revents != 0)
            going = pass_on(fd, there);
        if (going && ends[1].revents != 0)
            going = pass_on(there, fd);
    }
    close(there);
}

/* ---- over TLS ---- */

static struct {
    unsigned char der[2048];
    size_t len;
    br_x509_certificate certificate;
    br_skey_decoder_context key;
} own;

static void take_der(void *context, const void *bytes, size_t len) {
    (void)context;
    assert_true(own.len + len <= sizeof own.der);
    memcpy(own.der + own.len, bytes, len);
    own.len += len;
}

/* The first object of a PEM file. */
static void load_pem(const char *path) {
    br_pem_decoder_context pem;
    size_t len, at = 0;
    const char *text = read_file(path, &len);
    br_pem_decoder_init(&pem);
    own.len = 0;
    while (at < len) {
        at += br_pem_decoder_push(&pem, text + at, len - at);
        int event = br_pem_decoder_event(&pem);
        if (event == BR_PEM_BEGIN_OBJ)
            br_pem_decoder_setdest(&pem, take_der, NULL);
        else if (event == BR_PEM_END_OBJ)
            return;
    }
    fail_msg("no PEM in %s", path);
}

static void load_identity(void) {
    static unsigned char certificate[2048];
    load_pem("tests/pki/server-key.pem");
    br_skey_decoder_init(&own.key);
    br_skey_decoder_push(&own.key, own.der, own.len);
    assert_int_equal(br_skey_decoder_key_type(&own.key), BR_KEYTYPE_EC);
    load_pem("tests/pki/server.pem");
    memcpy(certificate, own.der, own.len);
    own.certificate = (br_x509_certificate){.data = certificate, .data_len = own.len};
}

static int tls_read(void *context, unsigned char *bytes, size_t len) {
    ssize_t n = recv(*(int *)context, bytes, len, 0);
    return n > 0 ? (int)n : -1;
}

static int tls_write(void *context, const unsigned char *bytes, size_t len) {
    ssize_t n = send(*(int *)context, bytes, len, MSG_NOSIGNAL);
    return n > 0 ? (int)n : -1;
}

static void answer_sts(br_sslio_context *io, const char *request) {
    char answer[1024], body[768];
    const char *action = strstr(request, "Action=AssumeRoleWithWebIdentity") != NULL
                             ? "AssumeRoleWithWebIdentity"
                             : "AssumeRole";
    int len =
        snprintf(body, sizeof body,
                 "<%sResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><%sResult><Credentials>"
                 "<AccessKeyId>ASIASTS</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t"
                 "</SessionToken><Expiration>" ENDS "</Expiration></Credentials></%sResult></%sResponse>",
                 action, action, action, action);
    int all = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len, body);
    (void)br_sslio_write_all(io, answer, (size_t)all);
    (void)br_sslio_flush(io);
}

static void serve_sts(int fd) {
    static br_ssl_server_context tls;
    static unsigned char storage[BR_SSL_BUFSIZE_BIDI];
    br_sslio_context io;
    char request[8192];
    size_t len = 0;
    br_ssl_server_init_full_ec(&tls, &own.certificate, 1, BR_KEYTYPE_EC, br_skey_decoder_get_ec(&own.key));
    br_ssl_engine_set_buffer(&tls.eng, storage, sizeof storage, 1);
    br_ssl_server_reset(&tls);
    br_sslio_init(&io, &tls.eng, tls_read, &fd, tls_write, &fd);
    while (len < sizeof request - 1) {
        int n = br_sslio_read(&io, request + len, sizeof request - 1 - len);
        if (n <= 0)
            return;
        len += (size_t)n;
        request[len] = '\0';
        const char *end = strstr(request, "\r\n\r\n"), *length = strstr(request, "Content-Length: ");
        if (end != NULL && length != NULL && strlen(end + 4) >= (size_t)atoi(length + 16))
            break;
    }
    upstreams[STS].requests++;
    if (strncmp(request, "POST / HTTP/1.1\r\n", 17) != 0 || strstr(request, "Proxy-") != NULL)
        upstreams[STS].wrong++;
    answer_sts(&io, request);
}

/* ---- threads ---- */

static void *serve(void *which) {
    static void (*const servers[UPSTREAMS])(int) = {serve_agent, serve_sts, serve_proxy, serve_nobody};
    size_t i = (size_t)(uintptr_t)which;
    for (int fd; (fd = accept(upstreams[i].listener, NULL, NULL)) >= 0;) {
        upstreams[i].connections++;
        servers[i](fd);
        close(fd);
        closes++;
    }
    return NULL;
}

static void start_upstreams(void) {
    load_identity();
    for (size_t i = 0; i < UPSTREAMS; i++) {
        pthread_t thread;
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof address;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(listen(fd, 64), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
        upstreams[i].listener = fd;
        upstreams[i].port = ntohs(address.sin_port);
        assert_int_equal(pthread_create(&thread, NULL, serve, (void *)(uintptr_t)i), 0);
        pthread_detach(thread);
    }
}

#endif
