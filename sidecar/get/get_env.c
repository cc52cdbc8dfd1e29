#include "sidecar/get/get_env.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/wipe.h"
#include "sidecar/get/get_ask.h"

#define STATUS_FAILED 1
#define STATUS_NOT_EXECUTABLE 126
#define STATUS_NOT_FOUND 127

/* The last one is for botocore and the AWS CLI, which then know when the others end. */
static const struct {
    char member[24], variable[32];
} variables[] = {{"\"AccessKeyId\":\"", "AWS_ACCESS_KEY_ID"},
                 {"\"SecretAccessKey\":\"", "AWS_SECRET_ACCESS_KEY"},
                 {"\"SessionToken\":\"", "AWS_SESSION_TOKEN"},
                 {"\"Expiration\":\"", "AWS_CREDENTIAL_EXPIRATION"}};
#define VARIABLES (sizeof variables / sizeof variables[0])

/* The value of variable i; the sidecar's values have neither quotes nor backslashes nor blanks. */
static const char *find(const struct unix_answer *a, size_t i, size_t *len, struct buf *problem) {
    const char *at = get_member(a, variables[i].member, len);
    if (at == NULL)
        buf_fmt(problem, "the answer has no usable value for %s", variables[i].variable);
    return at;
}

bool get_env(const struct get_config *config, struct buf *out, struct buf *problem) {
    static struct unix_answer answer;
    bool ok = get_ask_credentials(config, &answer, problem);
    for (size_t i = 0; ok && i < VARIABLES; i++) {
        size_t len = 0;
        const char *value = find(&answer, i, &len, problem);
        ok = value != NULL;
        if (!ok)
            break;
        buf_fmt(out, "export %s='", variables[i].variable);
        for (size_t k = 0; k < len; k++)
            buf_put(out, value[k] == '\'' ? "'\\''" : value + k, value[k] == '\'' ? 4 : 1);
        buf_str(out, "'\n");
    }
    wipe(&answer, sizeof answer);
    if (ok && out->overflow)
        buf_str(problem, "the credentials are too long");
    return ok && !out->overflow;
}

int get_exec(const struct get_config *config, char **argv, struct buf *problem) {
    static struct unix_answer answer;
    static char storage[GET_ENV_MAX]; /* stays: it becomes a part of the environment */
    struct buf all = BUF(storage);
    bool ok = get_ask_credentials(config, &answer, problem);
    for (size_t i = 0; ok && i < VARIABLES; i++) {
        char *entry = storage + all.len;
        size_t len = 0;
        const char *value = find(&answer, i, &len, problem);
        if (value != NULL)
            buf_fmt(&all, "%s=%.*s", variables[i].variable, (int)len, value);
        ok = value != NULL && !all.overflow && putenv(entry) == 0;
        buf_put(&all, "", 1);
    }
    wipe(&answer, sizeof answer);
    if (!ok) {
        if (problem->len == 0)
            buf_str(problem, "cannot set the environment: the credentials are too long, or out of memory");
        buf_wipe(&all);
        return STATUS_FAILED;
    }
    (void)signal(SIGPIPE, SIG_DFL); /* which process_harden() changed, and a program inherits */
    (void)signal(SIGXFSZ, SIG_DFL);
    execvp(argv[0], argv);
    int error = errno;
    buf_wipe(&all);
    buf_str(problem, "cannot run ");
    buf_printable(problem, argv[0], strlen(argv[0]), 200);
    buf_fmt(problem, ": %s", strerror(error));
    return error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
}
