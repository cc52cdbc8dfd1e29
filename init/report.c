#include "init/report.h"

#include <string.h>

#include "common/base/docs.h"
#include "common/base/io.h"

static const char *const status_names[] = {
    [CHECK_PASS] = "pass", [CHECK_WARN] = "warn", [CHECK_FAIL] = "fail", [CHECK_SKIP] = "skip"};

const struct check_result *report_decisive(const struct report *report) {
    for (size_t i = 0; i < report->count; i++) {
        if (report->results[i].status == CHECK_FAIL)
            return &report->results[i];
    }
    return NULL;
}

enum reason report_reason(const struct report *report) {
    const struct check_result *decisive = report_decisive(report);
    return decisive != NULL ? decisive->finding.reason : REASON_OK;
}

/* Sends what was built, and empties the builder. A report is written check by check, so that its storage need
 * not hold the largest one that could be. */
static bool flush(struct buf *b, int fd) {
    if (!io_write_within(fd, b->data, b->len, REPORT_PATIENCE_MS))
        return false;
    buf_reset(b);
    return true;
}

/* ---- text ---- */

/* Messages may quote paths and claims: whatever is in them, a line stays a line, and a terminal is not
 * driven. Behind it the address of what is documented under that name, if it is not NULL. */
static void put_line(struct buf *out, const char *text, const char *documented) {
    buf_printable(out, text, strlen(text), FAILURE_MESSAGE_MAX);
    if (documented != NULL)
        docs_see(out, documented);
    buf_char(out, '\n');
}

static size_t id_width(const struct report *report) {
    size_t width = 0;
    for (size_t i = 0; i < report->count; i++) {
        size_t len = strlen(report->results[i].id);
        width = len > width ? len : width;
    }
    return width;
}

static void put_check(struct buf *out, const struct check_result *r, size_t width, bool colour) {
    static const char *const colours[] = {[CHECK_PASS] = "\033[32m",
                                          [CHECK_WARN] = "\033[33m",
                                          [CHECK_FAIL] = "\033[31m",
                                          [CHECK_SKIP] = "\033[2m"};
    static const char *const reset = "\033[0m";
    buf_fmt(out, "%s%s%s  %-*s  ", colour ? colours[r->status] : "", status_names[r->status],
            colour ? reset : "", (int)width, r->id);
    put_line(out, r->finding.message, NULL);
    if (r->finding.remedy[0] != '\0') {
        buf_str(out, "      remedy: ");
        put_line(out, r->finding.remedy, r->id);
    }
}

/* What was not reached would hide the one line that counts. */
static void put_unreached(struct buf *out, const struct report *report, const char *failed) {
    unsigned count = 0;
    for (size_t i = 0; i < report->count; i++)
        count += report->results[i].unreached;
    if (count > 0)
        buf_fmt(out, "%u check%s not reached, because %s failed\n", count, count == 1 ? " was" : "s were",
                failed);
}

/* Last, so that `kubectl logs --tail=3` shows it. */
static void put_verdict(struct buf *out, const struct report *report) {
    const struct check_result *decisive = report_decisive(report);
    enum reason reason = report_reason(report);
    if (decisive != NULL)
        put_unreached(out, report, decisive->id);
    buf_fmt(out, "result: %s, reason %s, exit code %d\n", reason == REASON_OK ? "ok" : "failed",
            reason_name(reason), (int)reason);
    if (decisive == NULL)
        return;
    buf_fmt(out, "%s: ", reason_name(reason));
    put_line(out, decisive->finding.message, NULL);
    buf_str(out, "remedy: ");
    put_line(out, decisive->finding.remedy, DOCS_NAME(reason_name(reason)));
}

bool report_text(const struct report *report, bool colour, int fd) {
    static char storage[REPORT_ITEM_MAX];
    struct buf out = BUF(storage);
    for (size_t i = 0; i < report->count; i++) {
        if (!report->results[i].unreached)
            put_check(&out, &report->results[i], id_width(report), colour);
        if (!flush(&out, fd))
            return false;
    }
    put_verdict(&out, report);
    return flush(&out, fd);
}

/* ---- JSON ---- */

static void put_json_text(struct buf *out, const char *key, const char *text) {
    buf_json(out, key, strlen(key));
    buf_char(out, ':');
    buf_json(out, text, strlen(text));
}

static void put_json_head(struct buf *out, const struct report *report) {
    enum reason reason = report_reason(report);
    buf_fmt(out, "{\"version\":%d,", REPORT_VERSION);
    put_json_text(out, "result", reason == REASON_OK ? "ok" : "failed");
    buf_char(out, ',');
    put_json_text(out, "reason", reason_name(reason));
    buf_fmt(out, ",\"exitCode\":%d,", (int)reason);
    put_json_text(out, "source", report->source);
    buf_fmt(out, ",\"waitedMs\":%lld,\"checks\":[", (long long)report->waited_ms);
}

static void put_json_check(struct buf *out, const struct check_result *r) {
    buf_char(out, '{');
    put_json_text(out, "id", r->id);
    buf_char(out, ',');
    put_json_text(out, "status", status_names[r->status]);
    buf_char(out, ',');
    put_json_text(out, "message", r->finding.message);
    buf_char(out, ',');
    put_json_text(out, "remedy", r->finding.remedy);
    buf_char(out, '}');
}

bool report_json(const struct report *report, int fd) {
    static char storage[REPORT_ITEM_MAX];
    struct buf out = BUF(storage);
    put_json_head(&out, report);
    for (size_t i = 0; i < report->count; i++) {
        if (i > 0)
            buf_char(&out, ',');
        put_json_check(&out, &report->results[i]);
        if (!flush(&out, fd))
            return false;
    }
    buf_str(&out, "]}\n");
    return flush(&out, fd);
}

void report_termination_line(const struct failure *failure, struct buf *out) {
    buf_str(out, reason_name(failure->reason));
    buf_str(out, ": ");
    buf_printable(out, failure->message, strlen(failure->message), FAILURE_MESSAGE_MAX);
    if (failure->remedy[0] != '\0') {
        buf_str(out, ". Remedy: ");
        buf_printable(out, failure->remedy, strlen(failure->remedy), FAILURE_REMEDY_MAX);
    }
    docs_see(out, reason_name(failure->reason));
    buf_char(out, '\n');
}
