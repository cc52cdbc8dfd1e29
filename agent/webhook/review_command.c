#include "agent/webhook/review_command.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/webhook/complaint.h"
#include "agent/webhook/members.h"
#include "agent/webhook/sources.h"
#include "common/base/far.h"
#include "common/base/io.h"

#define BODY_MAX 262144 /* what the server takes */

FAR static char body[BODY_MAX + 1], patch_text[ADMISSION_PATCH_MAX + 1], answer_text[ADMISSION_ANSWER_MAX];
FAR static struct notes notes;

static int print(const struct buf *text) {
    static const char newline[] = "\n";
    bool good = io_write_all(STDOUT_FILENO, text->data, text->len) && io_write_all(STDOUT_FILENO, newline, 1);
    return good ? 0 : REASON_INTERNAL;
}

/* A pod by itself: its patch, as it is. */
static int print_pod(struct buf *patch, const struct admission_outcome *outcome) {
    if (notes.count > 0) {
        char text[NOTES_MAX + 32];
        struct buf b = BUF(text);
        buf_fmt(&b, "warnings: [%s]", notes.json.data);
        (void)complaint(0, text);
    }
    if (!outcome->allowed)
        return complaint(REVIEW_EXIT_REFUSED, outcome->why);
    if (patch->len == 0)
        buf_str(patch, "[]");
    return print(patch);
}

static bool is_review(size_t len) {
    struct json_span whole;
    return json_span_of(body, len, &whole) && members_get(whole, "request").len > 0;
}

static int answer_it(const struct webhook_settings *s, size_t len) {
    char problem_text[ADMISSION_PROBLEM_MAX];
    struct buf problem = BUF(problem_text), patch = BUF(patch_text), answer = BUF(answer_text);
    struct admission_call call = {.toolkit_always = s->namespace_wide};
    struct admission_outcome outcome;
    enum admission_kind kind;
    if (getrandom(&call.random, sizeof call.random, 0) != sizeof call.random)
        return complaint(REASON_INTERNAL, "cannot get random bytes");
    bool pod = len <= BODY_MAX && !is_review(len);
    if (len > BODY_MAX)
        kind = admission_large(sources_rules(), body, BODY_MAX, BODY_MAX, &answer, &outcome, &problem);
    else if (pod)
        kind = admission_pod(sources_rules(), &call, body, len, &patch, &notes, &outcome, &problem);
    else
        kind = admission_review(sources_rules(), &call, body, len, &patch, &answer, &outcome, &problem);
    if (kind == ADMISSION_MALFORMED)
        return complaint(REVIEW_EXIT_DATA, problem_text);
    if (pod)
        return print_pod(&patch, &outcome);
    int status = print(&answer);
    return status != 0 || outcome.allowed ? status : REVIEW_EXIT_REFUSED;
}

int review_command(const struct webhook_settings *s) {
    char text[SOURCES_PROBLEM_MAX];
    struct buf problem = BUF(text);
    bool changed;
    size_t len;
    sources_open(s);
    if ((s->template[0] != '\0' && !sources_read_template(&changed, &problem)) ||
        !sources_read_associations(&changed, &problem))
        return complaint(REASON_SETTING_INVALID, text);
    if (!io_read_all(STDIN_FILENO, body, sizeof body, &len)) {
        buf_fmt(&problem, "standard input cannot be read: %s", strerror(errno));
        return complaint(REVIEW_EXIT_DATA, text);
    }
    return answer_it(s, len);
}
