#include "agent/startup_taint.h"

#include <string.h>

#include "agent/api_server.h"
#include "agent/complain.h"
#include "agent/probes.h"
#include "agent/taint_patch.h"
#include "common/base/far.h"
#include "common/base/log.h"
#include "common/base/pages.h"
#include "common/serve/loop.h"

#define LOOK_MS 500 /* whether the agent is ready by now */
#define AGAIN_MIN_MS 1000
#define AGAIN_MAX_MS 60000     /* the pause doubles up to this while it fails */
#define NODE_MAX (1536 * 1024) /* what the API server's store takes */
#define NAME_MAX_LEN 253
#define PURPOSE "remove the taint of --remove-startup-taint"
#define REMEDY                                                                                               \
    "give the agent's service account the rights of startup-taint.yaml of the manifests (get and patch of "  \
    "nodes), and check that its policy names this taint; NODE_NAME is the node's name (spec.nodeName)"

static const struct settings *settings;
static struct api_server server;
static enum { WAITING, READING, PATCHING } state;
static int64_t pause_ms;
static size_t text_len;
static char path[API_SERVER_PATH_MAX];
static struct loop_timer timer = {.deadline_ms = CLOCK_NEVER};
static struct log_repeat failing;
static struct failure failure;
FAR static struct http_transfer transfer;
FAR static struct api_call call;
FAR static char text[NODE_MAX];

/* ---- requests ---- */

static void failed(void) {
    pause_ms = pause_ms * 2 < AGAIN_MAX_MS ? pause_ms * 2 : AGAIN_MAX_MS;
    state = WAITING;
    timer.deadline_ms = clock_now().mono_ms + pause_ms;
    log_failing(&failing, LOG_ERROR, "the startup taint cannot be removed: no pod comes to this node",
                failure.cause != NULL ? failure.cause : "", complain_told(&failure));
}

static void done(const char *event) {
    log_mended(&failing, "the API server was asked about the startup taint");
    LOG(LOG_INFO, event, LOG_TEXT("taint", settings->remove_startup_taint));
}

static void forget_text(void) {
    pages_give_back(text, text + sizeof text);
    text_len = 0;
}

/* The node's text, twice: before, and as it is after the patch, which nobody looks at. */
static bool receive(void *context, const char *bytes, size_t len) {
    (void)context;
    if (state == PATCHING)
        return true;
    if (len > sizeof text - text_len)
        return false;
    memcpy(text + text_len, bytes, len);
    text_len += len;
    return true;
}

static void on_answer(void *context, const struct http_response *r);

static void ask(const char *method, const char *body, size_t body_len) {
    struct http_request request;
    if (api_server_request(&server, method, path, body, body_len, &call, &request, &failure) != REASON_OK) {
        failed();
        return;
    }
    request.receive = receive;
    text_len = 0;
    bool started = http_start(&transfer, &request, on_answer, NULL) == ERR_OK;
    api_call_wipe(&call);
    if (!started) {
        struct buf m = failure_begin(&failure, REASON_INTERNAL);
        buf_str(&m, "a request to the API server cannot be started: out of memory");
        failed();
    }
}

static void take_node(void) {
    char bytes[TAINT_PATCH_MAX];
    struct buf patch = BUF(bytes);
    bool good = taint_patch(text, text_len, settings->remove_startup_taint, &patch);
    size_t len = text_len;
    forget_text();
    if (!good) {
        struct buf m = failure_begin(&failure, REASON_BAD_RESPONSE);
        failure.cause = "nonsense";
        buf_fmt(&m, "%s%s, asked to " PURPOSE ", answered %zu bytes that are not a node", server.url, path,
                len);
        failure_remedy(&failure, "check that an API server answers there");
        failed();
        return;
    }
    if (patch.len == 0) {
        done("the node does not have the startup taint");
        return;
    }
    state = PATCHING;
    ask("PATCH", patch.data, patch.len);
}

/* A conflict, or a patch whose test failed: somebody else was faster, and the node is read anew. */
static void on_answer(void *context, const struct http_response *r) {
    (void)context;
    if (r->result != HTTP_ANSWERED || r->status != 200) {
        (void)api_server_failed(&server, path, PURPOSE, r, &failure);
        if (r->result == HTTP_ANSWERED && (r->status == 403 || r->status == 404 || r->status == 422))
            failure_remedy(&failure, REMEDY);
        forget_text();
        failed();
        return;
    }
    if (state == READING) {
        take_node();
        return;
    }
    done("the startup taint is removed");
}

static void on_time(struct loop_timer *t) {
    t->deadline_ms = CLOCK_NEVER;
    if (!probes_ready(settings)) {
        t->deadline_ms = clock_now().mono_ms + LOOK_MS;
        return;
    }
    state = READING;
    ask("GET", NULL, 0);
}

/* ---- the start ---- */

static bool is_name(const char *name) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
    size_t len = strspn(name, allowed);
    return len > 0 && len <= NAME_MAX_LEN && name[len] == '\0';
}

enum reason startup_taint_open(const struct settings *given, injection_getenv *lookup, struct failure *f) {
    const char *name = lookup("NODE_NAME");
    struct buf p = BUF(path);
    if (name == NULL || !is_name(name)) {
        struct buf m = failure_begin(f, REASON_SETTING_INVALID);
        f->permanent = true;
        buf_str(&m, "--remove-startup-taint needs the name of this node, and NODE_NAME ");
        buf_str(&m, name == NULL ? "is not set" : "is not the name of a node");
        failure_remedy(f, "let the DaemonSet set NODE_NAME from spec.nodeName");
        return f->reason;
    }
    settings = given;
    pause_ms = AGAIN_MIN_MS / 2;
    buf_fmt(&p, "/api/v1/nodes/%s", name);
    enum reason reason = api_server_open(&server, given->api_server, NULL, lookup, f);
    if (reason != REASON_OK)
        return reason;
    timer.expired = on_time;
    timer.deadline_ms = loop_now().mono_ms;
    loop_add_timer(&timer);
    return REASON_OK;
}
