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
#define SETTLED_MS 5000        /* a watch that is open for so long is one */
#define PURPOSE "watch the associations"

static const struct api_server *server;
static size_t source;
static const char *name; /* "NAMESPACE/NAME" */
static association_watch_read *on_read;

static enum { LISTING, WATCHING } state;
static char version[64]; /* of what was read last */
static int64_t pause_ms;
static bool absent;                                /* the ConfigMap is not there: said once */
static enum { GOES_ON, TOO_OLD, NONSENSE } events; /* what the events of this watch say of it */
static bool unwatched; /* the last watch failed: that a list succeeds is no end of that */
static struct loop_timer timer = {.deadline_ms = CLOCK_NEVER}, settled = {.deadline_ms = CLOCK_NEVER};
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

static void put_member(struct json_span key, struct json_span value, bool binary) {
    FAR static char plain[ASSOCIATIONS_VALUE_MAX + 1];
    char key_text[ASSOCIATIONS_KEY_MAX * 2];
    size_t key_len, len;
    if (json_span_text(key, key_text, sizeof key_text, &key_len) != ERR_OK)
        return; /* the API server takes no such key */
    enum err e = json_span_text(value, plain, sizeof plain, &len);
    if (binary)
        table_put_unreadable(key_text, key_len,
                             "is in the ConfigMap's binaryData, where kubectl puts what is not UTF-8: write "
                             "it as UTF-8, into data");
    else if (e == ERR_OK)
        table_put(key_text, key_len, plain, len);
    else
        table_put_unreadable(key_text, key_len,
                             e == ERR_TOO_LONG ? "has more than 16384 bytes"
                                               : "is not a string that can be read");
}

static bool nonsense(const char *part) {
    struct buf m = failure_begin(&failure, REASON_BAD_RESPONSE);
    failure.cause = "nonsense";
    buf_fmt(&m, "%s%.*s, asked to " PURPOSE ", answered what is not a ConfigMap: %s", server->url,
            (int)strcspn(path, "?"), path, part);
    failure_remedy(&failure, "check that an API server answers there");
    return false;
}

/* Whether it is an object that is well formed up to its end. */
static bool is_object(struct json_span span) {
    struct json_span name_of, value;
    size_t position = 0;
    while (json_span_next(span, &position, &name_of, &value))
        ;
    return *span.at == '{' && json_span_over(span, position);
}

/* The members of that name's object; none if there is none. */
static bool find_members(struct json_span object, const char *name_of, struct json_span *out) {
    if (json_span_member(object, name_of, out) && !(out->len == 4 && memcmp(out->at, "null", 4) == 0))
        return is_object(*out);
    *out = (struct json_span){"{}", 2};
    return true;
}

static void put_members(struct json_span members, bool binary) {
    struct json_span key, value;
    size_t position = 0;
    while (json_span_next(members, &position, &key, &value))
        put_member(key, value, binary);
}

/* The table is what the object says. */
static bool take_data(struct json_span object) {
    struct json_span data, binary;
    if (!is_object(object))
        return nonsense("it is not an object");
    if (!find_members(object, "data", &data) || !find_members(object, "binaryData", &binary))
        return nonsense("its data is not an object");
    table_begin(source);
    put_members(data, false);
    put_members(binary, true);
    absent = false;
    on_read(source, table_end());
    return true;
}

static void take_absence(void) {
    table_begin(source);
    bool changed = table_end();
    if (!absent)
        LOG(LOG_WARN, "the ConfigMap of associations is not there: nobody has one",
            LOG_TEXT("configmap", name));
    absent = true;
    on_read(source, changed);
}

/* Of characters that need no escape in a URL: Kubernetes' are digits. */
static bool take_version(struct json_span object) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    struct json_span metadata, value;
    char fresh[sizeof version];
    size_t len;
    if (!json_span_member(object, "metadata", &metadata) ||
        !json_span_member(metadata, "resourceVersion", &value) ||
        json_span_text(value, fresh, sizeof fresh, &len) != ERR_OK || len == 0 || strspn(fresh, plain) != len)
        return nonsense("there is no resourceVersion");
    memcpy(version, fresh, len + 1);
    return true;
}

static bool take_list(void) {
    struct json_span list, items, unused, object;
    size_t position = 0;
    if (!json_span_of(text, text_len, &list) || !json_span_member(list, "items", &items) || *items.at != '[')
        return nonsense("there is no list of items");
    if (!take_version(list))
        return false;
    if (json_span_next(items, &position, &unused, &object))
        return take_data(object);
    if (!json_span_over(items, position))
        return nonsense("its list of items cannot be read");
    take_absence();
    return true;
}

static bool is(struct json_span value, const char *wanted) {
    char plain[32];
    size_t len;
    return json_span_text(value, plain, sizeof plain, &len) == ERR_OK && strcmp(plain, wanted) == 0;
}

/* What it says, if it is an event. */
static bool take_event(const char *line, size_t len) {
    struct json_span event, type, object;
    if (!json_span_of(line, len, &event) || !json_span_member(event, "type", &type) ||
        !json_span_member(event, "object", &object))
        return nonsense("an event without type and object");
    if (is(type, "ERROR")) { /* what is asked for is too old, as a rule: the list has what is new */
        events = TOO_OLD;
        return true;
    }
    if (!take_version(object))
        return false;
    if (is(type, "ADDED") || is(type, "MODIFIED"))
        return take_data(object);
    if (is(type, "DELETED"))
        take_absence();
    return true;
}

static void take_lines(void) {
    char *end;
    size_t from = 0;
    while (events == GOES_ON && (end = memchr(text + from, '\n', text_len - from)) != NULL) {
        size_t len = (size_t)(end - text) - from;
        if (len > 0 && !take_event(text + from, len))
            events = NONSENSE;
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
    return events == GOES_ON; /* else it is ended here: the server may leave it open, and say nothing more */
}

/* ---- requests ---- */

static void go_on(bool good) {
    if (good && !unwatched) {
        pause_ms = AGAIN_MIN_MS;
        log_mended(&failing, "the associations can be watched again");
    } else if (!good) {
        pause_ms = pause_ms * 2 < AGAIN_MAX_MS ? pause_ms * 2 : AGAIN_MAX_MS;
        log_failing(&failing, LOG_ERROR, "the associations cannot be watched: what is known counts on",
                    failure.cause != NULL ? failure.cause : "", complain_told(&failure));
    }
    timer.deadline_ms = clock_now().mono_ms + pause_ms;
}

static void on_settled(struct loop_timer *t) {
    t->deadline_ms = CLOCK_NEVER;
    unwatched = false;
    pause_ms = AGAIN_MIN_MS;
    log_mended(&failing, "the associations can be watched again");
}

/* It ends after a while, by the server or by the time limit; or by what an event says. */
static void on_watched(const struct http_response *r) {
    bool answered = r->result == HTTP_ANSWERED && r->status == 200, ended = events == TOO_OLD;
    settled.deadline_ms = CLOCK_NEVER;
    if (events == GOES_ON) {
        ended = answered || r->result == HTTP_ANSWER_TIMEOUT;
        if (!ended)
            (void)api_server_failed(server, path, PURPOSE, r, &failure);
    }
    if (!ended || events != GOES_ON)
        state = LISTING;
    unwatched = !ended;
    forget_text();
    go_on(ended);
}

static void on_listed(const struct http_response *r) {
    bool good = r->result == HTTP_ANSWERED && r->status == 200;
    if (!good)
        (void)api_server_failed(server, path, PURPOSE, r, &failure);
    good = good && take_list();
    forget_text();
    go_on(good);
    if (!good)
        return;
    state = WATCHING;
    timer.deadline_ms = clock_now().mono_ms; /* the watch begins when this transfer is over */
}

static void on_answer(void *context, const struct http_response *r) {
    (void)context;
    if (state == WATCHING)
        on_watched(r);
    else
        on_listed(r);
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
    events = GOES_ON;
    if (state == WATCHING)
        request.total_timeout_ms = WATCH_S * 1000 + WATCH_MORE_MS;
    bool started = http_start(&transfer, &request, on_answer, NULL) == ERR_OK;
    api_call_wipe(&call);
    if (!started) {
        struct buf m = failure_begin(&failure, REASON_INTERNAL);
        buf_str(&m, "a request to the API server cannot be started: out of memory");
        go_on(false);
    } else if (state == WATCHING && unwatched) {
        settled.deadline_ms = clock_now().mono_ms + SETTLED_MS;
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
    settled.expired = on_settled;
    loop_add_timer(&timer);
    loop_add_timer(&settled);
    ask();
}
