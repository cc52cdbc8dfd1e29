#include "sidecar/whoami.h"

#include <string.h>
#include <unistd.h>

#include "common/aws/identity.h"
#include "common/aws/identity_expect.h"
#include "common/base/environment.h"
#include "common/base/far.h"
#include "common/base/io.h"
#include "common/base/wipe.h"
#include "common/serve/unix_client.h"
#include "common/source/fetch.h"
#include "sidecar/complain.h"
#include "sidecar/trust.h"

/* The credentials that a running sidecar serves. False with problem if none runs, or has none. */
static bool from_sidecar(const char *socket, struct credentials *out, struct buf *problem) {
    static struct unix_answer answer;
    const char *field;
    bool ok = socket[0] != '\0' && unix_client_get(socket, "/v1/credentials", &answer, problem);
    if (ok && answer.status != 200)
        unix_client_explain(&answer, problem);
    ok = ok && answer.status == 200 && credentials_parse(answer.body, answer.body_len, out, &field) == ERR_OK;
    wipe(&answer, sizeof answer);
    return ok;
}

struct fetched {
    enum reason reason;
    struct failure failure;
};

static void on_fetched(void *context, const struct fetch_outcome *outcome) {
    struct fetched *f = context;
    f->reason = outcome->reason;
    if (outcome->reason != REASON_OK)
        f->failure = *outcome->failure;
}

static enum reason from_source(const struct config *config, struct credentials *out, const char **name,
                               struct failure *failure) {
    FAR static struct source source;
    FAR static struct source_scratch scratch;
    FAR static struct fetch fetch; /* large, and zeroed */
    static struct fetched fetched;
    enum reason reason = source_open(&source, &config->profiles[0].source, environment, &scratch, failure);
    if (reason != REASON_OK)
        return reason;
    fetch.keep_result = true;
    fetch_start(&fetch, &source, config->wait_ms, on_fetched, &fetched);
    fetch_wait(&fetch);
    *failure = fetched.failure;
    if (fetched.reason == REASON_OK)
        credentials_copy(source_credentials(&source), out);
    source_wipe(&source);
    *name = source_name(source.kind);
    return fetched.reason;
}

static bool print(const struct sts_identity *who, const char *whose, int64_t skew_s) {
    static char storage[STS_ARN_MAX + CONFIG_PATH_MAX + 512];
    char role[STS_SESSION_NAME_MAX + 1], session[STS_SESSION_NAME_MAX + 1];
    struct buf out = BUF(storage);
    buf_fmt(&out, "account:     %s\n", who->account);
    if (sts_role_of(who->arn, role, session))
        buf_fmt(&out, "role:        %s\nsession:     %s\n", role, session);
    buf_fmt(&out, "arn:         %s\ncredentials: %s\n", who->arn, whose);
    if (skew_s != 0)
        buf_fmt(&out, "clock:       STS is %lld s %s this container, and was signed to by its own\n",
                (long long)(skew_s < 0 ? -skew_s : skew_s), skew_s > 0 ? "ahead of" : "behind");
    return io_write_all(STDOUT_FILENO, out.data, out.len);
}

int whoami(const struct config *config) {
    static struct credentials credentials;
    static struct endpoint sts;
    FAR static struct identity_exchange exchange;
    static struct sts_identity who;
    static struct failure failure;
    char text[UNIX_CLIENT_PROBLEM_MAX], whose_text[LISTEN_PATH_MAX + 64];
    struct buf problem = BUF(text), whose = BUF(whose_text);
    const char *source = "";
    int64_t skew_s;
    if (http_open(NULL) != ERR_OK)
        return complain(REASON_INTERNAL, "cannot set up the HTTP client: out of memory");
    enum reason reason =
        endpoint_find(ENDPOINT_STS, config->profiles[0].source.region, environment, &sts, &failure);
    if (reason == REASON_OK && !trust_authorities(&config->profiles[0].source, sts.uri.https, &failure))
        reason = failure.reason;
    bool served = reason == REASON_OK && from_sidecar(config->access.unix_socket, &credentials, &problem);
    if (reason == REASON_OK && !served)
        reason = from_source(config, &credentials, &source, &failure);
    if (served)
        buf_fmt(&whose, "served by the sidecar on %s", config->access.unix_socket);
    else
        buf_fmt(&whose, "fetched now, from %s", source);
    if (reason == REASON_OK)
        reason = identity_ask(&sts, &credentials, far_hidden(&exchange), &who, &skew_s, &failure);
    credentials_wipe(&credentials);
    http_close();
    if (reason != REASON_OK)
        return complain_failure(&failure);
    if (!print(&who, whose.data, skew_s))
        return complain(REASON_INTERNAL, "cannot write to standard output");
    reason = identity_expect(&who, source_text(config->profiles[0].source.expect_account),
                             source_text(config->profiles[0].source.expect_role), &failure);
    return reason == REASON_OK ? 0 : complain_failure(&failure);
}
