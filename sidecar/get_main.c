/* pod-identity-get: prints the credential_process JSON of the sidecar, for SDKs that start a program for
 * credentials.
 *
 * Nothing but the JSON on stdout, and nothing at all on stderr when it succeeds: one SDK parses both
 * together. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "common/options.h"
#include "common/process.h"
#include "common/version.h"
#include "common/wipe.h"
#include "sidecar/unix_client.h"

#define SOCKET_PATH_MAX 108

struct get_config {
    char socket[SOCKET_PATH_MAX];
};

static bool take_socket(void *config, const char *value, struct buf *problem) {
    struct get_config *c = config;
    return option_text(value, c->socket, sizeof c->socket, problem);
}

static const struct option_spec specs[] = {
    {"socket", "PATH", "/run/pod-identity/credentials.sock", "the Unix socket of pod-identity-sidecar",
     take_socket, false},
    {.name = NULL},
};

static const struct options options = {
    .program = "pod-identity-get",
    .synopsis = "[--socket=PATH]",
    .about = "Prints the credentials of pod-identity-sidecar as credential_process JSON (Version 1). In the "
             "AWS config file: "
             "credential_process = /path/to/pod-identity-get",
    .epilogue = "Exit status: 0; 1 no credentials, the reason is on standard error; 64 usage.\n",
    .specs = specs,
};

static int complain(int status, const char *text) {
    char line[UNIX_CLIENT_PROBLEM_MAX + 32];
    struct buf b = BUF(line);
    buf_fmt(&b, "pod-identity-get: %s\n", text);
    (void)io_write_all(STDERR_FILENO, b.data, b.len);
    return status;
}

/* Without a JSON parser: what a sidecar answers begins and ends so, and an SDK must not be handed anything
 * else. */
static bool looks_right(const struct unix_answer *a) {
    static const char start[] = "{\"Version\":1,\"AccessKeyId\":\"", end[] = "\"}";
    return a->body_len >= sizeof start + sizeof end && memcmp(a->body, start, sizeof start - 1) == 0 &&
           memcmp(a->body + a->body_len - 2, end, 2) == 0 && memchr(a->body, '\0', a->body_len) == NULL;
}

static int get(const char *socket_path) {
    static struct unix_answer answer;
    char text[UNIX_CLIENT_PROBLEM_MAX];
    struct buf problem = BUF(text);
    int status = 1;
    if (!unix_client_get(socket_path, "/v1/credential-process", &answer, &problem)) {
        complain(status, problem.data);
    } else if (answer.status != 200) {
        unix_client_explain(&answer, &problem);
        complain(status, problem.data);
    } else if (!looks_right(&answer)) {
        buf_fmt(&problem, "the answer from %s is no credential_process JSON: no sidecar listens there",
                socket_path);
        complain(status, problem.data);
    } else if (!io_write_all(STDOUT_FILENO, answer.body, answer.body_len) ||
               !io_write_all(STDOUT_FILENO, "\n", 1)) {
        complain(status, "cannot write to standard output");
    } else {
        status = 0;
    }
    wipe(&answer, sizeof answer);
    return status;
}

int main(int argc, char **argv) {
    static char text[OPTIONS_HELP_MAX];
    struct buf out = BUF(text);
    struct get_config config = {.socket = "/run/pod-identity/credentials.sock"};
    size_t operands;
    process_harden();
    switch (options_read(&options, argc, argv, &config, NULL, 0, &operands, &out)) {
    case OPTIONS_USAGE:
        return complain(64, out.data);
    case OPTIONS_HELP:
        options_help(&options, &out);
        return io_write_all(STDOUT_FILENO, out.data, out.len) ? 0 : 1;
    case OPTIONS_VERSION:
        version_text(options.program, &out);
        return io_write_all(STDOUT_FILENO, out.data, out.len) ? 0 : 1;
    case OPTIONS_OK:
        break;
    }
    return get(config.socket);
}
