#include "agent/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/complain.h"
#include "agent/files.h"
#include "common/base/far.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "common/pod/jws.h"
#include "common/serve/loop.h"
#include "common/text/json.h"

#define PATH "/openid/v1/jwks"
#define PURPOSE "read the cluster's keys"
#define RETRY_MAX_MS 60000
#define FILE_MAX JSON_INPUT_MAX /* 16 keys of 4096 bits have 12 kB */

static const struct keys_settings *settings;
static struct jws_keys keys;
static bool reading; /* an answer of the API server is awaited */
static int64_t started_ms, retry_ms;
static struct loop_timer timer = {.deadline_ms = CLOCK_NEVER};
static struct watches_file watch;
static struct failure failure;
static struct log_repeat failing;
FAR static struct http_transfer transfer;
FAR static struct api_call call;
FAR static char text[FILE_MAX + 1];

/* ---- a key set that came ---- */

static void put_source(struct buf *m) {
    const char *source = settings->file != NULL ? settings->file : settings->server->url;
    buf_printable(m, source, strlen(source), 300);
    if (settings->file == NULL)
        buf_str(m, PATH);
}

static bool same_ids(const struct jws_keys *a, const struct jws_keys *b) {
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->keys[i].id, b->keys[i].id) == 0;
    return same;
}

static void tell(const struct jws_keys *fresh, size_t unused) {
    if (same_ids(&keys, fresh))
        return;
    LOG(LOG_INFO, "the cluster's keys", LOG_NUMBER("keys", (int64_t)fresh->count),
        LOG_NUMBER("not_usable", (int64_t)unused), LOG_TEXT("first", fresh->keys[0].id));
}

/* Replaces all keys, or none. */
static bool take(const char *json, size_t len) {
    static struct jws_keys fresh;
    const char *wrong;
    size_t unused;
    enum err e = jws_keys_parse(json, len, &fresh, &unused, &wrong);
    if (e == ERR_OK) {
        tell(&fresh, unused);
        keys = fresh;
        return true;
    }
    struct buf m = failure_begin(&failure, REASON_BAD_RESPONSE);
    failure.cause = "keys";
    put_source(&m);
    buf_fmt(&m, " is not a key set that can be used (%zu bytes): %s: %s", len, wrong, err_text(e));
    if (unused > 0)
        buf_fmt(&m, "; %zu of its keys are for something else than RS256 or ES256", unused);
    failure_remedy(&failure, settings->file != NULL
                                 ? "write what the API server has there: kubectl get --raw " PATH
                                 : "look at what the API server has there: kubectl get --raw " PATH);
    return false;
}

/* Plans the next reading, and tells. */
static void ended(bool good) {
    retry_ms = good                          ? 0
               : retry_ms == 0               ? KEYS_RETRY_MS
               : retry_ms * 2 < RETRY_MAX_MS ? retry_ms * 2
                                             : RETRY_MAX_MS;
    timer.deadline_ms = clock_now().mono_ms + (good ? KEYS_RELOAD_MS : retry_ms);
    if (good)
        log_mended(&failing, "the cluster's keys can be read again");
    else
        log_failing(&failing, LOG_ERROR,
                    keys.count > 0 ? "the cluster's keys were not read: those that are known count on"
                                   : "the cluster's keys were not read: no token can be judged",
                    failure.cause != NULL ? failure.cause : "", complain_told(&failure));
}

/* ---- from a file ---- */

static bool file_failed(const char *problem) {
    struct buf m = failure_begin(&failure, REASON_SETTING_INVALID);
    failure.cause = "file";
    buf_str(&m, "--jwks=");
    put_source(&m);
    buf_fmt(&m, " cannot be read: %s", problem);
    failure_remedy(&failure, "write what the API server has at " PATH " there: kubectl get --raw " PATH);
    return false;
}

/* Never waits for a pipe. */
static bool read_open(int fd) {
    struct stat st;
    size_t len;
    if (fstat(fd, &st) != 0)
        return file_failed(strerror(errno));
    if (!S_ISREG(st.st_mode))
        return file_failed("it is not a regular file");
    if (!io_read_all(fd, text, sizeof text, &len))
        return file_failed(strerror(errno));
    if (len > FILE_MAX)
        return file_failed("it has more than 16384 bytes");
    return take(text, len);
}

static void read_file(void) {
    started_ms = clock_now().mono_ms;
    int fd = open(settings->file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    bool good = fd >= 0 ? read_open(fd) : file_failed(strerror(errno));
    if (fd >= 0)
        close(fd);
    ended(good);
}

static void file_changed(void) {
    read_file();
    settings->changed();
}

/* ---- from the API server ---- */

static void on_answer(void *context, const struct http_response *r) {
    (void)context;
    reading = false;
    bool answered = r->result == HTTP_ANSWERED && r->status == 200;
    if (!answered)
        (void)api_server_failed(settings->server, PATH, PURPOSE, r, &failure);
    ended(answered && take(r->body, r->body_len));
    settings->changed();
}

static void ask(void) {
    struct http_request request;
    started_ms = clock_now().mono_ms;
    if (api_server_request(settings->server, "GET", PATH, NULL, 0, &call, &request, &failure) != REASON_OK) {
        ended(false);
        return;
    }
    reading = http_start(&transfer, &request, on_answer, NULL) == ERR_OK;
    api_call_wipe(&call);
    if (!reading) {
        struct buf m = failure_begin(&failure, REASON_INTERNAL);
        buf_str(&m, "a request to the API server cannot be started: out of memory");
        ended(false);
    }
}

static void on_time(struct loop_timer *t) {
    t->deadline_ms = CLOCK_NEVER;
    if (settings->file != NULL)
        file_changed();
    else if (!reading)
        ask();
}

/* ---- the whole ---- */

void keys_open(const struct keys_settings *given) {
    settings = given;
    keys.count = 0;
    if (timer.expired == NULL)
        loop_add_timer(&timer);
    timer.expired = on_time;
    if (settings->file == NULL) {
        ask();
        return;
    }
    if (!files_watch(&watch, settings->file, file_changed))
        LOG(LOG_WARN, "the file of keys cannot be watched: it is read each hour",
            LOG_TEXT("jwks", settings->file), LOG_TEXT("error", strerror(errno)));
    read_file();
}

bool keys_ready(void) {
    return keys.count > 0;
}

const struct failure *keys_failure(void) {
    return &failure;
}

static enum token_verdict refuse(struct token_judgement *out, const char *phrase) {
    struct buf why = BUF(out->why);
    out->code = "InvalidTokenException";
    buf_fmt(&why, "the token %s", phrase);
    return TOKEN_REFUSED;
}

/* A key that is not there may be newer than the last reading: what a token can prompt is one in a while. */
static enum token_verdict look_again(const char *token, size_t len, struct moment now,
                                     struct token_judgement *out) {
    if (reading)
        return TOKEN_WAITS;
    if (now.mono_ms - started_ms < KEYS_PROMPTED_MS)
        return refuse(out, jws_verdict_text(JWS_UNKNOWN_KEY));
    if (settings->file == NULL) {
        ask();
        return reading ? TOKEN_WAITS : refuse(out, jws_verdict_text(JWS_UNKNOWN_KEY));
    }
    read_file();
    enum jws_verdict verdict = jws_verify(&keys, token, len);
    return verdict == JWS_SIGNED ? TOKEN_TRUSTED : refuse(out, jws_verdict_text(verdict));
}

/* The claims first: that costs less, and only a token that says the right things can prompt a reading. */
enum token_verdict keys_judge(const char *token, size_t len, struct moment now, struct token_judgement *out) {
    const char *wrong;
    struct buf why = BUF(out->why);
    enum err e = jwt_inspect_unverified(token, len, &out->claims, &wrong);
    if (e != ERR_OK) {
        out->code = "InvalidTokenException";
        buf_fmt(&why, "the token cannot be read: %s: %s", wrong, err_text(e));
        return TOKEN_REFUSED;
    }
    if (!claims_accept(settings->rules, &out->claims, now.wall_ms / 1000, &out->code, &why))
        return TOKEN_REFUSED;
    if (keys.count == 0)
        return reading ? TOKEN_WAITS : TOKEN_UNJUDGED;
    enum jws_verdict verdict = jws_verify(&keys, token, len);
    if (verdict == JWS_UNKNOWN_KEY)
        return look_again(token, len, now, out);
    return verdict == JWS_SIGNED ? TOKEN_TRUSTED : refuse(out, jws_verdict_text(verdict));
}
