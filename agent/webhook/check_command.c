#include "agent/webhook/check_command.h"

#include <unistd.h>

#include "agent/webhook/certificate_load.h"
#include "agent/webhook/complaint.h"
#include "agent/webhook/sources.h"
#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/timefmt.h"

/* Every part is read, whatever is wrong with those before it: all is told at once. */

static int check_template(const struct webhook_settings *s, struct buf *report) {
    char text[SOURCES_PROBLEM_MAX];
    struct buf problem = BUF(text);
    bool changed;
    if (s->template[0] == '\0')
        return 0;
    if (!sources_read_template(&changed, &problem))
        return complaint(REASON_SETTING_INVALID, text);
    const struct template *t = sources_rules()->template;
    const char *kind = t->native ? "native sidecar" : "ordinary sidecar";
    buf_fmt(report, "template: %s%s%s\n", t->init.whole.len > 0 ? "init container" : "",
            t->init.whole.len > 0 && t->sidecar.whole.len > 0 ? " and " : "",
            t->sidecar.whole.len > 0 ? kind : "");
    return 0;
}

static int check_associations(const struct webhook_settings *s, struct buf *report) {
    char text[SOURCES_PROBLEM_MAX];
    struct buf problem = BUF(text);
    size_t usable, unusable;
    bool changed;
    if (s->association_count == 0)
        return 0;
    if (!sources_read_associations(&changed, &problem))
        return complaint(REASON_SETTING_INVALID, text);
    sources_count(&usable, &unusable);
    buf_fmt(report, "associations: %zu usable, %zu not\n", usable, unusable);
    return unusable > 0 ? REASON_SETTING_INVALID : 0;
}

static int check_certificate(const struct webhook_settings *s, struct buf *report) {
    struct failure failure;
    struct tls_server_dates dates;
    char until[TIME_UTC_MAX];
    int64_t now_s = clock_now().wall_ms / 1000;
    if (certificate_load(s, &failure) != TLS_SERVER_LOADED)
        return complaint_failure(&failure);
    (void)tls_server_dates(&dates);
    time_format_utc(dates.until_s, until);
    buf_fmt(report, "certificate: valid until %s\n", until);
    if (now_s >= dates.until_s || now_s < dates.from_s)
        return complaint(REASON_SETTING_INVALID,
                         "the certificate is not valid now: the API server will not talk to it");
    return 0;
}

int check_command(const struct webhook_settings *s) {
    char text[512];
    struct buf report = BUF(text);
    sources_open(s);
    int certificate = check_certificate(s, &report), template = check_template(s, &report),
        associations = check_associations(s, &report);
    if (!io_write_all(STDOUT_FILENO, report.data, report.len))
        return REASON_INTERNAL;
    return certificate != 0 ? certificate : template != 0 ? template : associations;
}
