#include "agent/node.h"

#include <string.h>
#include <sys/random.h>

#include "agent/complain.h"
#include "agent/node_provider.h"
#include "common/base/far.h"
#include "common/base/log.h"
#include "common/base/owner.h"
#include "common/base/timefmt.h"
#include "common/http/http.h"
#include "common/serve/loop.h"
#include "common/source/refresh.h"
#include "common/text/secrets.h"

/* One for the process. */
static struct {
    struct secret_holder secrets;
    struct loop_timer timer;
    struct refresh refresh;
    node_changed *changed;
    bool open, attempted;
    bool kept_good; /* kept holds credentials */
    struct log_repeat failing;
    struct failure failure; /* of the last attempt; REASON_OK: it succeeded, or there was none */
    char folder[NODE_FILE_PATH_MAX];
} node;

FAR static struct node_provider provider;
FAR static struct credentials kept; /* to sign with */
FAR static struct token token;
FAR static struct aws_call call;
FAR static struct http_transfer transfer;

/* ---- what no message may show ---- */

static void visit_secrets(struct secret_holder *holder, secrets_take *take, void *context) {
    const struct credentials *all[] = {&kept, &provider.credentials};
    (void)holder;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        take(context, all[i]->secret_access_key, strlen(all[i]->secret_access_key));
        take(context, all[i]->session_token, strlen(all[i]->session_token));
    }
    take(context, provider.imds.session, strlen(provider.imds.session));
    take(context, token.text, token.len);
}

/* ---- fetching ---- */

static void drive(const struct refresh_event *event);
static void on_response(void *context, const struct http_response *response);

/* Kinds that need no request once the region is known are kept by nobody's clock. */
static bool needs_clock(void) {
    return provider.kind == NODE_PROVIDER_WEB_IDENTITY || provider.kind == NODE_PROVIDER_IMDS;
}

static void succeed(void) {
    char until[TIME_UTC_MAX] = "never";
    node.attempted = true;
    node.kept_good = true;
    node.failure.reason = REASON_OK;
    credentials_copy(&provider.credentials, &kept);
    if (provider.ends_ms != CLOCK_NEVER)
        time_format_utc(provider.ends_ms / 1000, until);
    log_mended(&node.failing, "the agent has credentials of its own again");
    LOG(LOG_INFO, "credentials of the agent", LOG_TEXT("source", node_kind()), LOG_TEXT("expires", until),
        LOG_TEXT("region", provider.region));
    if (needs_clock()) {
        credentials_wipe(&provider.credentials);
        drive(&(struct refresh_event){.kind = REFRESH_FETCHED, .expires_wall_ms = provider.ends_ms});
    } else {
        node.timer.deadline_ms = CLOCK_NEVER;
    }
    node.changed();
}

static void tell_failure(void) {
    log_failing(&node.failing, node.kept_good ? LOG_WARN : LOG_ERROR,
                node.kept_good ? "the credentials of the agent cannot be renewed; the old ones are kept"
                               : "the agent has no credentials of its own",
                node.failure.cause != NULL ? node.failure.cause : reason_name(node.failure.reason),
                complain_told(&node.failure));
}

static void fail(void) {
    node.attempted = true;
    tell_failure();
    drive(&(struct refresh_event){.kind = REFRESH_FAILED, .retry_after_ms = node.failure.retry_after_ms});
    node.changed();
}

static void go_on(enum node_provider_step step, const struct http_request *request) {
    if (step == NODE_PROVIDER_SEND && http_start(&transfer, request, on_response, NULL) != ERR_OK) {
        (void)failure_begin(&node.failure, REASON_INTERNAL);
        struct buf m = failure_more(&node.failure);
        buf_str(&m, "cannot begin a request: out of memory");
        failure_remedy(&node.failure, "raise the container's memory limit");
        step = NODE_PROVIDER_FAILED;
    }
    token_wipe(&token);
    aws_call_wipe(&call);
    if (step == NODE_PROVIDER_DONE)
        succeed();
    else if (step == NODE_PROVIDER_FAILED)
        fail();
}

static void on_response(void *context, const struct http_response *response) {
    struct http_request request;
    (void)context;
    go_on(node_provider_answer(&provider, response, clock_now(), &token, &call, &request, &node.failure),
          &request);
}

static void drive(const struct refresh_event *event) {
    struct http_request request;
    enum refresh_action action = refresh_step(&node.refresh, event, clock_now());
    node.timer.deadline_ms = node.refresh.deadline_mono_ms;
    if (action == REFRESH_FETCH)
        go_on(node_provider_begin(&provider, &token, &call, &request, &node.failure), &request);
}

static void on_timer(struct loop_timer *timer) {
    (void)timer;
    drive(&(struct refresh_event){.kind = REFRESH_TICK});
}

/* ---- what others see ---- */

enum reason node_open(const struct settings *settings, injection_getenv *lookup, node_changed *changed,
                      struct failure *f) {
    uint64_t seed = 0;
    enum reason reason = node_provider_open(&provider, settings, lookup, f);
    if (reason != REASON_OK)
        return reason;
    (void)getrandom(&seed, sizeof seed, 0);
    node.secrets.visit = visit_secrets;
    secrets_hold(&node.secrets);
    node.changed = changed;
    node.open = true;
    node.timer = (struct loop_timer){.deadline_ms = CLOCK_NEVER, .expired = on_timer};
    loop_add_timer(&node.timer);
    refresh_init(&node.refresh, seed, clock_now());
    node.timer.deadline_ms = node.refresh.deadline_mono_ms; /* the first round of the loop */
    return REASON_OK;
}

void node_close(void) {
    http_cancel(&transfer);
    credentials_wipe(&kept);
    credentials_wipe(&provider.credentials);
    node.kept_good = node.open = false;
}

static bool are_others(void) {
    const struct credentials *c = &provider.credentials;
    return strcmp(c->access_key_id, kept.access_key_id) != 0 ||
           strcmp(c->secret_access_key, kept.secret_access_key) != 0 ||
           strcmp(c->session_token, kept.session_token) != 0;
}

/* The file is looked at whenever something is to be signed: nobody has to watch it. Whether it has others. */
static bool look_at_file(void) {
    bool changed = false;
    if (node_file_read(&provider.file, &provider.credentials, &changed, &node.failure) != REASON_OK) {
        tell_failure();
        return false;
    }
    node.failure.reason = REASON_OK;
    log_mended(&node.failing, "the credentials of the agent can be read again");
    if (!changed || !are_others())
        return false;
    credentials_copy(&provider.credentials, &kept);
    LOG(LOG_INFO, "the agent's credentials were read anew", LOG_TEXT("source", node_kind()));
    return true;
}

const struct credentials *node_credentials(const struct failure **why) {
    *why = NULL;
    if (!node.open)
        return NULL;
    if (node.kept_good && provider.kind == NODE_PROVIDER_FILE)
        (void)look_at_file();
    bool good = node.kept_good && (!needs_clock() || refresh_usable(&node.refresh, clock_now()));
    if (good)
        return &kept;
    *why = node.attempted && node.failure.reason != REASON_OK ? &node.failure : NULL;
    return NULL;
}

const char *node_region(void) {
    return provider.region;
}

bool node_refused(void) {
    if (!node.open)
        return false;
    provider.file.taken = false;
    if (needs_clock())
        drive(&(struct refresh_event){.kind = REFRESH_REQUESTED});
    return node.kept_good && provider.kind == NODE_PROVIDER_FILE && look_at_file();
}

void node_clock_jumped(void) {
    if (node.open && needs_clock())
        drive(&(struct refresh_event){.kind = REFRESH_CLOCK_JUMPED});
}

const char *node_kind(void) {
    return node_provider_name(provider.kind);
}

int64_t node_expires_ms(void) {
    return node.kept_good ? provider.ends_ms : 0;
}

/* ---- files ---- */

const char *node_file_folder(void) {
    if (!node.open || provider.kind != NODE_PROVIDER_FILE)
        return NULL;
    struct buf folder = BUF(node.folder);
    size_t len = (size_t)(strrchr(provider.file.path, '/') - provider.file.path);
    buf_put(&folder, provider.file.path, len > 0 ? len : 1);
    return node.folder;
}

bool node_file_owner(uid_t *uid, gid_t *gid) {
    struct stat st;
    const char *folder = node_file_folder();
    if (folder == NULL || (stat(provider.file.path, &st) != 0 && stat(folder, &st) != 0))
        return false;
    *uid = st.st_uid;
    *gid = st.st_gid;
    return true;
}

const char *node_token_file(void) {
    return node.open ? provider.token_path : NULL;
}
