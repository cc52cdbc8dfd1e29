#include "agent/association_watch.h"

#include <string.h>

#include "agent/association_table.h"
#include "agent/complain.h"
#include "agent/json_scan.h"
#include "common/base/far.h"
#include "common/base/log.h"
#include "common/base/pages.h"
#include "common/serve/loop.h"

#define WATCH_S 240            /* so long the server leaves a watch open; a dead connection is noticed then */
#define WATCH_MORE_MS 15000    /* …and so long after that it is ended here */
#define AGAIN_MIN_MS 1000      /* between two requests */
#define AGAIN_MAX_MS 30000     /* the pause doubles up to this while they fail */
#define KEPT_BYTES (64 * 1024) /* of the buffer: what was larger is given back */
#define PURPOSE "watch the associations"

static const struct api_server *server;
static size_t source;
static const char *name; /* "NAMESPACE/NAME" */
static association_watch_read *on_read;

static enum { LISTING, WATCHING } state;
static char version[64]; /* of what was read last */
static int64_t pause_ms;
static bool absent; /* the ConfigMap is not there: said once */
static struct loop_timer timer = {.deadline_ms = CLOCK_NEVER};
static struct log_repeat failing;
static struct failure failure;
FAR static struct http_transfer transfer;
FAR static struct api_call call;
FAR static char text[ASSOCIATION_OBJECT_MAX];
static size_t text_len;
static char path[API_SERVER_PATH_MAX];

bool association_watch_name(const char *given) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
    size_t namespace = strspn(given, allowed),
           rest = given[namespace] == '/' ? strspn(given + namespace + 1, allowed) : 0;
    return namespace > 0 && namespace <= 63 && rest > 0 && rest <= 253 && given[namespace + 1 + rest] == '\0';
}

/* ---- what came ---- */

static void forget_text(void) {
    if (text_len > KEPT_BYTES)
        pages_give_back(text, text + sizeof text);
    text_len = 0;
}

static void put_member(struct json_span key, struct json_span value) {
    FAR static char plain[ASSOCIATIONS_VALUE_MAX + 1];
    char key_text[ASSOCIATIONS_KEY_MAX * 2];
    size_t key_len, len;
    if (json_span_text(key, key_text, sizeof key_text, &key_len) != ERR_OK)
        return; /* the API server takes no such key */
    enum err e = json_span_text(value, plain, sizeof plain, &len);
    if (e == ERR_OK)
        table_put(key_text, key_len, plain, len);
    else
        table_put_unreadable(key_text, key_len,
                             e == ERR_TOO_LONG ? "has more than 16384 bytes"
                                               : "is not a string that can be read");
}

/* The table is what the object says, or empty. */
static void take_data(const struct json_span *object) {
    struct json_span data, key, value;
    size_t position = 0;
    table_begin(source);
    if (object != NULL && json_span_member(*object, "data", &data)) {
        while (json_span_next(data, &position, &key, &value))
            put_member(key, value);
    }
    bool changed = table_end();
    if (object == NULL && !absent)
        LOG(LOG_WARN, "the ConfigMap of associations is not there: nobody has one",
            LOG_TEXT("configmap", name));
    absent = object == NULL;
    on_read(source, changed);
}

static bool take_version(struct json_span object) {
    struct json_span metadata, value;
    size_t len;
    return json_span_member(object, "metadata", &metadata) &&
           json_span_member(metadata, "resourceVersion", &value) &&
           json_span_text(value, version, sizeof version, &len) == ERR_OK && len > 0;
}

static bool nonsense(const char *part) {
    struct buf m = failure_begin(&failure, REASON_BAD_RESPONSE);
    failure.cause = "nonsense";
    buf_fmt(&m, "%s%.*s, asked to " PURPOSE ", answered what is not a ConfigMap: %s", server->url,
            (int)strcspn(path, "?"), path, part);
    failure_remedy(&failure, "check that an API server answers there");
    return false;
}

static bool take_list(void) {
    struct json_span list, items, unused, object;
    size_t position = 0;
    if (!json_span_of(text, text_len, &list) || !json_span_member(list, "items", &items) || *items.at != '[')
        return nonsense("there is no list of items");
    if (!take_version(list))
        return nonsense("there is no resourceVersion");
    take_data(json_span_next(items, &position, &unused, &object) ? &object : NULL);
    return true;
}

static bool is(struct json_span value, const char *wanted) {
    char plain[32];
    size_t len;
    return json_span_text(value, plain, sizeof plain, &len) == ERR_OK && strcmp(plain, wanted) == 0;
}

/* False: the watch is over, and the list is asked for again. */
static bool take_event(const char *line, size_t len) {
    struct json_span event, type, object;
    if (!json_span_of(line, len, &event) || !json_span_member(event, "type", &type) ||
        !json_span_member(event, "object", &object))
        return nonsense("an event without type and object");
    if (is(type, "ERROR") ||
        !take_version(object)) { /* what is too old, as a rule: the list has what is new */
        version[0] = '\0';
        return false;
    }
    if (is(type, "ADDED") || is(type, "MODIFIED"))
        take_data(&object);
    else if (is(type, "DELETED"))
        take_data(NULL);
    return true;
}

static void take_lines(void) {
    char *end;
    size_t from = 0;
    while (version[0] != '\0' && (end = memchr(text + from, '\n', text_len - from)) != NULL) {
        size_t len = (size_t)(end - text) - from;
        if (len > 0 && !take_event(text + from, len))
            version[0] = '\0';
        from += len + 1;
    }
    if (from == text_len) {
        forget_text();
        return;
    }
    memmove(text, text + from, text_len - from);
    text_len -= from;
}

static bool receive(void *context, const char *bytes, size_t len) {
    (void)context;
    if (len > sizeof text - text_len)
        return false;
    memcpy(text + text_len, bytes, len);
    text_len += len;
    if (state == WATCHING && memchr(bytes, '\n', len) != NULL)
        take_lines();
    return true;
}

/* ---- requests ---- */

static void go_on(bool good) {
    pause_ms = good ? AGAIN_MIN_MS : pause_ms * 2 < AGAIN_MAX_MS ? pause_ms * 2 : AGAIN_MAX_MS;
    timer.deadline_ms = clock_now().mono_ms + pause_ms;
    if (good)
        log_mended(&failing, "the associations can be watched again");
    else
        log_failing(&failing, LOG_ERROR, "the associations cannot be watched: what is known counts on",
                    failure.cause != NULL ? failure.cause : "", complain_told(&failure));
}

static void on_answer(void *context, const struct http_response *r) {
    (void)context;
    bool good = r->result == HTTP_ANSWERED && r->status == 200;
    if (state == WATCHING) {
        /* It ends after a while, by the server or by the time limit. */
        bool ended = good || r->result == HTTP_ANSWER_TIMEOUT;
        if (!ended)
            (void)api_server_failed(server, path, PURPOSE, r, &failure);
        if (!ended || version[0] == '\0')
            state = LISTING;
        forget_text();
        go_on(ended);
        return;
    }
    if (!good)
        (void)api_server_failed(server, path, PURPOSE, r, &failure);
    good = good && take_list();
    forget_text();
    if (!good) {
        go_on(false);
        return;
    }
    log_mended(&failing, "the associations can be watched again");
    pause_ms = AGAIN_MIN_MS;
    state = WATCHING;
    timer.deadline_ms = clock_now().mono_ms; /* the watch begins when this transfer is over */
}

static void set_path(void) {
    struct buf b = BUF(path);
    size_t namespace = strcspn(name, "/");
    buf_fmt(&b, "/api/v1/namespaces/%.*s/configmaps?fieldSelector=metadata.name%%3D%s", (int)namespace, name,
            name + namespace + 1);
    if (state == WATCHING)
        buf_fmt(&b, "&watch=1&allowWatchBookmarks=true&timeoutSeconds=%d&resourceVersion=%s", WATCH_S,
                version);
}

static void ask(void) {
    struct http_request request;
    set_path();
    if (api_server_request(server, "GET", path, NULL, 0, &call, &request, &failure) != REASON_OK) {
        go_on(false);
        return;
    }
    request.receive = receive;
    if (state == WATCHING)
        request.total_timeout_ms = WATCH_S * 1000 + WATCH_MORE_MS;
    bool started = http_start(&transfer, &request, on_answer, NULL) == ERR_OK;
    api_call_wipe(&call);
    if (!started) {
        struct buf m = failure_begin(&failure, REASON_INTERNAL);
        buf_str(&m, "a request to the API server cannot be started: out of memory");
        go_on(false);
    }
}

static void on_time(struct loop_timer *t) {
    t->deadline_ms = CLOCK_NEVER;
    ask();
}

void association_watch_open(const struct api_server *given, size_t of, const char *configmap,
                            association_watch_read *read) {
    server = given;
    source = of;
    name = configmap;
    on_read = read;
    pause_ms = AGAIN_MIN_MS;
    timer.expired = on_time;
    loop_add_timer(&timer);
    ask();
}
