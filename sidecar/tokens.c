#include "sidecar/tokens.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/environment.h"
#include "common/base/far.h"
#include "common/base/timefmt.h"
#include "common/base/wipe.h"
#include "common/serve/loop.h"
#include "common/serve/request_text.h"
#include "sidecar/metrics.h"
#include "sidecar/token_make.h"

#define VALUE_MAX 256 /* the longest is a host's name; with its NUL */

const struct request_extras tokens_extras = {.query = true};

/* The long text last, so that what it does not use takes no memory. */
FAR static struct kept {
    int64_t renew_s; /* wall time; 0: it is of no use any more */
    size_t profile;
    unsigned char wanted[HASH_SIZE];
    struct answer answer;
    char heads[2][ANSWERS_HEAD_MAX];
    char text[AWS_TOKEN_MAX];
} kept[TOKENS_KEPT];

/* ---- what is wanted ---- */

struct wanted {
    struct aws_token token;
    size_t profile;
};

/* False for what is no escape, for a NUL, and for what is too long. */
static bool decode(const char *text, size_t len, char out[VALUE_MAX]) {
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i] == '+' ? ' ' : text[i];
        if (c == '%') {
            int value = len - i > 2 ? hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]) : 0;
            if (value <= 0 || hex_digit(text[i + 2]) < 0) /* a first digit that is none makes it negative */
                return false;
            c = (char)value;
            i += 2;
        }
        if (n == VALUE_MAX - 1)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

/* False without a problem: the caller has no such profile. */
static bool read_query(size_t view, struct wanted *w, const char *query, struct buf *problem) {
    char name[VALUE_MAX], value[VALUE_MAX];
    w->profile = answers_own(view);
    bool ok = true, named = false;
    while (ok && *query != '\0') {
        size_t len = strcspn(query, "&"), name_len = strcspn(query, "=&");
        size_t at = name_len < len ? name_len + 1 : len;
        ok = decode(query, name_len, name) && decode(query + at, len - at, value);
        if (!ok)
            buf_str(problem, "an escape that is none, or a value of more than 255 bytes");
        bool is_name = ok && strcmp(name, "name") == 0;
        if (is_name && named) {
            buf_str(problem, "name: given twice");
            ok = false;
        }
        named = named || is_name;
        if (ok && len > 0)
            ok = is_name ? answers_find(view, value, &w->profile)
                         : aws_token_set(&w->token, name, value, problem);
        query += len + (query[len] == '&');
    }
    return ok && aws_token_complete(&w->token, environment, problem);
}

/* ---- who may have how many ---- */

/* By user and by the profile whose socket it is: containers of one pod often have the same user. */
static bool allowed(size_t view, uint32_t user) {
    static struct user {
        size_t view;
        uint32_t id;
        int64_t paid_until_ms; /* monotonic */
    } users[TOKENS_USERS];
    int64_t now = loop_now().mono_ms;
    struct user *u = &users[0];
    for (size_t i = 0; i < TOKENS_USERS; i++) {
        if (users[i].id == user && users[i].view == view && users[i].paid_until_ms != 0) {
            u = &users[i];
            break;
        }
        if (users[i].paid_until_ms < u->paid_until_ms)
            u = &users[i];
    }
    if (u->id != user || u->view != view || u->paid_until_ms < now)
        *u = (struct user){view, user, now};
    if (u->paid_until_ms - now > (TOKENS_AT_ONCE - 1) * TOKENS_PACE_MS)
        return false;
    u->paid_until_ms += TOKENS_PACE_MS;
    return true;
}

/* ---- what is kept ---- */

static struct kept *find(const unsigned char wanted[HASH_SIZE]) {
    int64_t now_s = clock_now().wall_ms / 1000;
    for (size_t i = 0; i < TOKENS_KEPT; i++) {
        if (memcmp(kept[i].wanted, wanted, HASH_SIZE) == 0 && now_s < kept[i].renew_s)
            return &kept[i];
    }
    return NULL;
}

/* One that is of no use, or else that which is wanted anew first: as a rule the oldest. */
static struct kept *make_room(void) {
    struct kept *oldest = &kept[0];
    for (size_t i = 1; i < TOKENS_KEPT; i++) {
        if (kept[i].renew_s < oldest->renew_s)
            oldest = &kept[i];
    }
    if (oldest->answer.body != NULL)
        answers_retire(&oldest->answer);
    wipe(oldest->text, oldest->answer.body_len);
    oldest->renew_s = 0;
    return oldest;
}

static const struct answer *make(const struct wanted *w, const unsigned char wanted[HASH_SIZE],
                                 struct buf *problem) {
    FAR static struct credentials credentials;
    struct kept *k = make_room();
    struct buf text = BUF(k->text);
    char line[64], ends[TIME_UTC_MAX];
    struct buf header = BUF(line);
    int64_t life_s, now_s = clock_now().wall_ms / 1000;
    answers_credentials(w->profile, &credentials);
    bool ok = token_make(&w->token, &credentials, &text, &life_s, problem);
    credentials_wipe(&credentials);
    if (!ok) {
        buf_wipe(&text);
        return NULL;
    }
    k->renew_s = now_s + life_s * 2 / 3;
    k->profile = w->profile;
    memcpy(k->wanted, wanted, HASH_SIZE);
    time_format_utc(now_s + life_s, ends);
    buf_fmt(&header, "X-Token-Expiration: %s\r\n", ends);
    answers_render_text(&k->answer, k->heads, line, &text);
    return &k->answer;
}

const struct answer *tokens_pick(size_t view, const struct request *r, const char *path, uint32_t user) {
    char text[AWS_TOKEN_PROBLEM_MAX];
    struct buf problem = BUF(text);
    struct wanted w;
    unsigned char wanted[HASH_SIZE];
    memset(&w, 0, sizeof w); /* all of it, as all of it is hashed */
    if (r->method != REQUEST_GET && r->method != REQUEST_HEAD)
        return answers_error(405);
    if (!aws_token_find(path, &w.token.kind))
        return answers_moment_error(404, "NotFound", AWS_TOKEN_KINDS_TEXT, "");
    if (!read_query(view, &w, r->query, &problem)) {
        metrics_token(METRICS_TOKEN_REFUSED);
        return problem.len == 0 ? answers_no_profile(view)
                                : answers_moment_error(400, "BadRequest", text, "");
    }
    const struct answer *page = answers_page(w.profile, ANSWERS_CREDENTIALS);
    if (page->status != 200)
        return page;
    hash_sha256(&w, sizeof w, wanted);
    const struct kept *found = find(wanted);
    if (found != NULL) {
        metrics_token(METRICS_TOKEN_KEPT);
        return &found->answer;
    }
    if (!allowed(view, user)) {
        metrics_token(METRICS_TOKEN_LIMITED);
        return answers_moment_error(429, "TooManyRequests", "too many new tokens: try again in a second",
                                    "Retry-After: 1\r\n");
    }
    const struct answer *made = make(&w, wanted, &problem);
    metrics_token(made != NULL ? METRICS_TOKEN_SIGNED : METRICS_TOKEN_REFUSED);
    return made != NULL ? made : answers_moment_error(503, "Unavailable", text, "");
}

void tokens_forget(size_t profile) {
    for (size_t i = 0; i < TOKENS_KEPT; i++) {
        if (kept[i].profile == profile && kept[i].renew_s != 0) /* else its page would become resident */
            kept[i].renew_s = 0;
    }
}

void tokens_wipe(void) {
    for (size_t i = 0; i < TOKENS_KEPT; i++)
        wipe(kept[i].text, kept[i].answer.body_len);
}
