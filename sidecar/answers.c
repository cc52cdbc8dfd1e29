#include "sidecar/answers.h"

#include <string.h>

#include "common/base/docs.h"
#include "common/base/far.h"
#include "common/base/timefmt.h"
#include "common/base/wipe.h"
#include "common/text/secrets.h"

#define HEAD_MAX ANSWERS_HEAD_MAX
#define JSON "application/json" /* exactly: Go and Kotlin read no error with a charset behind it */
#define TEXT "text/plain; charset=utf-8"
#define FIXED_BODY_MAX 512

/* All pages of one moment. Their bodies lie one behind the other in one storage with room for the largest of
 * all: in practice they have some 4 kB, and what is not touched takes no memory. */
#define REASON_NAME_MAX 32 /* with what follows it in a line */
#define MORE_MAX 80        /* ". Remedy: ", and where more is said, with the reason's name */
#define READY_MAX (REASON_NAME_MAX + FAILURE_MESSAGE_MAX + FAILURE_REMEDY_MAX + DOCS_SEE_MAX + MORE_MAX + 2)
#define READY_PAGES 2
#define CREDENTIAL_PAGES 3

struct edition {
    struct answer answers[ANSWERS_PAGES];
    char heads[ANSWERS_PAGES][2][HEAD_MAX];
    size_t used;
    char bodies[CREDENTIAL_PAGES * CREDENTIALS_RENDERED_MAX + IDENTITY_MAX + READY_PAGES * READY_MAX];
};

FAR_BY_ADDRESS static struct profile {
    struct edition editions[2];
    int current;
} profiles[ANSWERS_PROFILES_MAX];
static const char *const *profile_names;
static size_t profile_count;

static const struct error {
    int status;
    const char *code, *message;
} errors[] = {
    [ANSWERS_WRONG_PEER] =
        {.status = 403,
         .code = "Forbidden",
         .message = "This user may not ask here: the sidecar's --allow-uid lists who may by user id, "
                    "--socket-group by group."},
    [ANSWERS_NO_TOKEN] = {.status = 401,
                          .code = "Unauthorized",
                          .message =
                              "No valid token in X-aws-ec2-metadata-token: get one by PUT /latest/api/token "
                              "(IMDSv2; version 1 is not served)."},
    [ANSWERS_BAD_TTL] = {.status = 400,
                         .code = "BadRequest",
                         .message = "X-aws-ec2-metadata-token-ttl-seconds must be a number from 1 to 21600."},
    [ANSWERS_FORWARDED] = {.status = 403,
                           .code = "Forbidden",
                           .message =
                               "No token is given to a request that came through a proxy (X-Forwarded-For)."},
    [ANSWERS_PUT_ONLY] = {.status = 405, .code = "MethodNotAllowed", .message = "Only PUT is allowed here."},
    [ANSWERS_NO_ROLE] = {.status = 404,
                         .code = "NotFound",
                         .message = "There are no credentials at the moment; the sidecar's log says why."},
    {.status = 400, .code = "BadRequest", .message = "This is not a well-formed HTTP/1.1 request."},
    {.status = 401,
     .code = "Unauthorized",
     .message = "The Authorization header must hold the token of this endpoint, without a scheme word: set "
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE to the sidecar's --http-token-file."},
    {.status = 403,
     .code = "Forbidden",
     .message = "The Host header must be the address of this endpoint, with or without its port."},
    {.status = 404, .code = "NotFound", .message = "No such path is served here."},
    {.status = 405, .code = "MethodNotAllowed", .message = "Only GET and HEAD are allowed here."},
    {.status = 413, .code = "ContentTooLarge", .message = "Requests have no body here."},
    {.status = 414, .code = "UriTooLong", .message = "The request target is longer than 1024 characters."},
    {.status = 431,
     .code = "HeaderFieldsTooLarge",
     .message = "More than 100 headers or 16384 bytes of them."},
    {.status = 501,
     .code = "NotImplemented",
     .message = "No transfer coding but chunked is known here, and no body is taken."},
    {.status = 503, .code = "Busy", .message = "Too many unfinished requests at once: try again."},
    {.status = 505, .code = "VersionNotSupported", .message = "Only HTTP/1.1 and HTTP/1.0 are spoken here."},
};

#define ERRORS (sizeof errors / sizeof errors[0])

static const struct error no_profile = {404, "NotFound", "No profile has that name; there are: "};

static struct fixed {
    struct answer answer;
    char keep[HEAD_MAX], close[HEAD_MAX], body[FIXED_BODY_MAX];
} fixed[ERRORS], no_profiles[ANSWERS_ALL + 1], health;

FAR_BY_ADDRESS static struct moment_answer {
    struct answer answer;
    char keep[HEAD_MAX], close[HEAD_MAX], body[ANSWERS_MOMENT_MAX];
} moments[2];
static int current_moment;

static struct profile *profile_at(size_t i) {
    return *FAR_ADDRESS(profiles) + i;
}

static struct moment_answer *moment_at(int i) {
    return *FAR_ADDRESS(moments) + i;
}

static answers_retired *on_retired;
static bool with_instance;

struct head {
    int status;
    const char *type;
    const char *more; /* header lines, each with its CR LF */
};

static size_t put_head(char *out_text, const struct head *h, size_t body_len, bool close) {
    struct buf out = buf_over(out_text, HEAD_MAX);
    buf_fmt(&out,
            "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n%s",
            h->status, answer_phrase(h->status), h->type, body_len, h->more);
    if (close)
        buf_str(&out, "Connection: close\r\n");
    buf_str(&out, "\r\n");
    return out.len;
}

static void render(struct answer *a, char *keep, char *close, const struct head *head,
                   const struct buf *body) {
    *a = (struct answer){
        .keep = keep,
        .close = close,
        .keep_len = (uint16_t)put_head(keep, head, body->len, false),
        .close_len = (uint16_t)put_head(close, head, body->len, true),
        .body = body->data,
        .body_len = (uint32_t)body->len,
        .status = (int16_t)head->status,
    };
}

/* Both spellings of code and message: Go and Java read the lower-case ones, JavaScript and Rust the others.
 */
static void put_error_body(struct buf *out, const char *code, const char *message) {
    static const char *const keys[][2] = {{"code", "message"}, {"Code", "Message"}};
    for (int i = 0; i < 2; i++) {
        buf_fmt(out, "%c\"%s\":", i == 0 ? '{' : ',', keys[i][0]);
        buf_json(out, code, strlen(code));
        buf_fmt(out, ",\"%s\":", keys[i][1]);
        buf_json(out, message, strlen(message));
    }
    buf_char(out, '}');
}

const struct answer *answers_page(size_t profile, enum answers_page page) {
    const struct profile *p = profile_at(profile);
    return &p->editions[p->current].answers[page];
}

const struct answer *answers_ready(size_t view, enum answers_page page) {
    for (size_t i = 0; i < profile_count; i++) {
        if (answers_may_see(view, i) && answers_page(i, page)->status != 200)
            return answers_page(i, page);
    }
    return answers_page(answers_own(view), page);
}

bool answers_find(size_t view, const char *name, size_t *profile) {
    for (*profile = 0; *profile < profile_count; ++*profile) {
        if (answers_may_see(view, *profile) && (*name == '\0' || strcmp(profile_names[*profile], name) == 0))
            return true;
    }
    return false;
}

/* Twice the message and what is around it fits into a body; of long names only the first are told. */
static void put_message(struct buf *body, const struct error *e, size_t view) {
    char text[FIXED_BODY_MAX / 2 - 32];
    struct buf message = buf_over(text, sizeof text - 8);
    const char *comma = "";
    buf_str(&message, e->message);
    for (size_t i = 0; e == &no_profile && i < profile_count; i++) {
        if (answers_may_see(view, i)) {
            buf_fmt(&message, "%s%s", comma, profile_names[i]);
            comma = ", ";
        }
    }
    if (message.overflow)
        memcpy(text + message.len, ", ...", 6);
    put_error_body(body, e->code, text);
}

/* The fixed answers are rendered when they are first wanted: most never are. */
static const struct answer *rendered(struct fixed *f, const struct error *e, size_t view) {
    if (f->answer.body == NULL) {
        struct buf body = BUF(f->body);
        put_message(&body, e, view);
        const char *allow = e == &errors[ANSWERS_PUT_ONLY] ? "Allow: PUT\r\n"
                            : e->status == 405             ? "Allow: GET, HEAD\r\n"
                                                           : "";
        render(&f->answer, f->keep, f->close, &(struct head){e->status, JSON, allow}, &body);
    }
    return &f->answer;
}

const struct answer *answers_no_profile(size_t view) {
    return rendered(&no_profiles[view], &no_profile, view);
}

static const struct answer *fixed_error(size_t i) {
    return rendered(&fixed[i], &errors[i], ANSWERS_ALL);
}

const struct answer *answers_health(void) {
    if (health.answer.body == NULL) {
        struct buf body = BUF(health.body);
        buf_str(&body, "ok\n");
        render(&health.answer, health.keep, health.close, &(struct head){200, TEXT, ""}, &body);
    }
    return &health.answer;
}

const struct answer *answers_error(int status) {
    size_t i = ANSWERS_REFUSALS;
    // cppcheck-suppress arrayIndexOutOfBounds  // 2.17 counts only the elements that are named
    while (i + 1 < ERRORS && errors[i].status != status)
        i++;
    return fixed_error(i);
}

const struct answer *answers_refuse(enum answers_refusal refusal) {
    return fixed_error(refusal);
}

struct buf answers_moment_begin(void) {
    struct moment_answer *m = moment_at(1 - current_moment);
    if (m->answer.body != NULL)
        on_retired(&m->answer);
    return BUF(m->body);
}

static const struct answer *moment_end(const struct buf *body, const struct head *head) {
    current_moment = 1 - current_moment;
    struct moment_answer *m = moment_at(current_moment);
    render(&m->answer, m->keep, m->close, head, body);
    return &m->answer;
}

const struct answer *answers_moment_end(const struct buf *body, const char *header) {
    return moment_end(body, &(struct head){200, TEXT, header});
}

const struct answer *answers_moment_error(int status, const char *code, const char *message,
                                          const char *header) {
    struct buf body = answers_moment_begin();
    put_error_body(&body, code, message);
    return moment_end(&body, &(struct head){status, JSON, header});
}

void answers_render_text(struct answer *out, char heads[2][ANSWERS_HEAD_MAX], const char *header,
                         const struct buf *body) {
    render(out, heads[0], heads[1], &(struct head){200, TEXT, header}, body);
}

void answers_retire(const struct answer *answer) {
    on_retired(answer);
}

/* A builder over the rest of the storage, for the next body. */
static struct buf next_body(struct edition *e, size_t max) {
    return buf_over(e->bodies + e->used, max);
}

static void end_body(struct edition *e, enum answers_page page, int status, const char *type,
                     const struct buf *body) {
    e->used += body->len + 1;
    render(&e->answers[page], e->heads[page][0], e->heads[page][1], &(struct head){status, type, ""}, body);
}

static void put_credentials(struct edition *e, const struct credentials *c, int64_t fetched_s) {
    struct buf body = next_body(e, CREDENTIALS_RENDERED_MAX);
    credentials_render_container(c, &body);
    end_body(e, ANSWERS_CREDENTIALS, 200, JSON, &body);
    body = next_body(e, CREDENTIALS_RENDERED_MAX);
    credentials_render_process(c, &body);
    end_body(e, ANSWERS_PROCESS, 200, JSON, &body);
    if (!with_instance)
        return;
    body = next_body(e, CREDENTIALS_RENDERED_MAX);
    credentials_render_instance(c, fetched_s, &body);
    end_body(e, ANSWERS_INSTANCE, 200, JSON, &body);
}

static void put_identity(struct edition *e, const struct answer *last, const struct credentials *c,
                         const struct identity *identity) {
    struct buf body = next_body(e, IDENTITY_MAX);
    if (identity != NULL)
        identity_render(identity, c, &body);
    else
        buf_put(&body, last->body, last->body_len);
    end_body(e, ANSWERS_IDENTITY, 200, JSON, &body);
}

/* The remedy, and where more is said. */
static void put_remedy(struct buf *out, const struct failure *f) {
    buf_fmt(out, ". Remedy: %s", f->remedy);
#ifdef DOCS_URL
    docs_see(out, reason_name(f->reason));
#else
    buf_fmt(out, ". More: pod-identity-sidecar explain %s", reason_name(f->reason));
#endif
}

static void put_ready(struct edition *e, enum answers_page page, bool ready, const char *text) {
    struct buf body = next_body(e, READY_MAX);
    buf_str(&body, text);
    buf_char(&body, '\n');
    end_body(e, page, ready ? 200 : 503, TEXT, &body);
}

static void put_failure(struct edition *e, const struct failure *f) {
    char text[REASON_NAME_MAX + FAILURE_MESSAGE_MAX + FAILURE_REMEDY_MAX + DOCS_SEE_MAX + MORE_MAX];
    struct buf line = BUF(text), body = next_body(e, CREDENTIALS_RENDERED_MAX);
    buf_fmt(&line, "%s: ", reason_name(f->reason));
    const char *message = text + line.len;
    buf_str(&line, f->message);
    if (f->remedy[0] != '\0')
        put_remedy(&line, f);
    put_error_body(&body, reason_name(f->reason), message);
    if (body.overflow) { /* only escapes can make it so: the reason alone always fits */
        buf_reset(&body);
        put_error_body(&body, reason_name(f->reason), reason_name(f->reason));
    }
    end_body(e, ANSWERS_CREDENTIALS, 503, JSON, &body);
    for (enum answers_page page = ANSWERS_PROCESS; page <= ANSWERS_INSTANCE; page++)
        render(&e->answers[page], e->heads[page][0], e->heads[page][1], &(struct head){503, JSON, ""}, &body);
    put_ready(e, ANSWERS_READY, false, text);
}

void answers_publish(size_t profile, const struct credentials *credentials, int64_t fetched_s,
                     const struct identity *identity, const struct failure *failure, const char *not_ready) {
    struct profile *p = profile_at(profile);
    struct edition *e = &p->editions[1 - p->current];
    for (int i = 0; i < ANSWERS_PAGES && e->used > 0; i++)
        on_retired(&e->answers[i]);
    wipe(e->bodies, e->used);
    e->used = 0;
    if (credentials != NULL) {
        put_credentials(e, credentials, fetched_s);
        put_identity(e, answers_page(profile, ANSWERS_IDENTITY), credentials, identity);
    } else {
        put_failure(e, failure);
    }
    const char *ready = "ready";
    if (credentials != NULL && credentials->expires_ms / 1000 <= fetched_s)
        ready = "ready, and passing on credentials that have expired (--expired=pass)";
    if (credentials != NULL)
        put_ready(e, ANSWERS_READY, not_ready == NULL, not_ready != NULL ? not_ready : ready);
    if (not_ready != NULL)
        ready = credentials != NULL ? ANSWERS_FILE_NOT_WRITTEN : reason_name(failure->reason);
    put_ready(e, ANSWERS_READY_BARE, not_ready == NULL, ready);
    p->current = 1 - p->current;
}

/* The text of a member of a page that we rendered. */
static void take_member(const struct answer *a, const char *name, secrets_take *take, void *context) {
    const char *at = memmem(a->body, a->body_len, name, strlen(name));
    if (at == NULL)
        return;
    at += strlen(name);
    take(context, at, strcspn(at, "\""));
}

static void copy_member(void *context, const char *text, size_t len) {
    struct buf *out = context;
    buf_put(out, text, len);
}

void answers_credentials(size_t profile, struct credentials *out) {
    static const struct {
        char name[20];
        uint16_t at, cap;
    } members[] = {
        {"\"AccountId\":\"", offsetof(struct credentials, account_id), sizeof out->account_id},
        {"\"AccessKeyId\":\"", offsetof(struct credentials, access_key_id), sizeof out->access_key_id},
        {"\"SecretAccessKey\":\"", offsetof(struct credentials, secret_access_key),
         sizeof out->secret_access_key},
        {"\"Token\":\"", offsetof(struct credentials, session_token), sizeof out->session_token},
    };
    const struct answer *a = answers_page(profile, ANSWERS_CREDENTIALS);
    char ends[TIME_UTC_MAX];
    struct buf end = BUF(ends);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        struct buf text = buf_over((char *)out + members[i].at, members[i].cap);
        take_member(a, members[i].name, copy_member, &text);
    }
    take_member(a, "\"Expiration\":\"", copy_member, &end);
    (void)time_parse_rfc3339(end.data, end.len, &out->expires_ms); /* we wrote it */
}

/* What is served is kept in the pages only. */
static void visit_served(struct secret_holder *holder, secrets_take *take, void *context) {
    (void)holder;
    for (size_t i = 0; i < profile_count; i++) {
        const struct answer *a = answers_page(i, ANSWERS_CREDENTIALS);
        if (a->status != 200)
            continue;
        take_member(a, "\"SecretAccessKey\":\"", take, context);
        take_member(a, "\"Token\":\"", take, context);
    }
}

void answers_open(answers_retired *retired, bool instance, const char *const *names, size_t count) {
    static struct secret_holder served = {.visit = visit_served};
    struct failure starting;
    with_instance = instance;
    secrets_hold(&served);
    profile_names = names;
    profile_count = count;
    on_retired = retired;
    struct buf m = failure_begin(&starting, REASON_AGENT_UNREACHABLE);
    buf_str(&m, "the first fetch has not ended yet");
    for (size_t i = 0; i < count; i++)
        answers_publish(i, NULL, 0, NULL, &starting, starting.message);
}

void answers_wipe(void) {
    for (size_t i = 0; i < 2 * profile_count; i++) {
        struct edition *e = &profile_at(i / 2)->editions[i % 2];
        wipe(e->bodies, e->used);
    }
    for (int i = 0; i < 2; i++)
        wipe(moment_at(i)->body, moment_at(i)->answer.body_len);
}
