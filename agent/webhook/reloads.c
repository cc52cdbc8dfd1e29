#include "agent/webhook/reloads.h"

#include <errno.h>
#include <string.h>

#include "agent/webhook/certificate_load.h"
#include "agent/webhook/complaint.h"
#include "agent/webhook/sources.h"
#include "agent/webhook/webhook_metrics.h"
#include "common/base/clock.h"
#include "common/base/timefmt.h"
#include "common/serve/loop.h"
#include "common/serve/watches.h"

#define AGAIN_MS 1000          /* behind a change that could not be taken yet */
#define UNWATCHED_MS 5000      /* where folders cannot be watched */
#define LOOK_MS (3600 * 1000)  /* at the certificate's end */
#define SOON_S (7 * 24 * 3600) /* before which its end is told */

static const struct webhook_settings *settings;
static struct watches_file files[4 + ASSOCIATIONS_SOURCES_MAX];
static struct loop_timer again = {.deadline_ms = CLOCK_NEVER}, look = {.deadline_ms = CLOCK_NEVER};
static struct log_repeat failing[WEBHOOK_FILES], unwatched, ending;
static struct tls_server_dates dates_told;

/* ---- the certificate ---- */

bool reloads_certificate_valid(void) {
    struct tls_server_dates dates;
    int64_t now_s = clock_now().wall_ms / 1000;
    return tls_server_dates(&dates) && now_s >= dates.from_s && now_s < dates.until_s;
}

static void tell_end(void) {
    struct tls_server_dates dates;
    char until[TIME_UTC_MAX];
    if (!tls_server_dates(&dates))
        return;
    int64_t left_s = dates.until_s - clock_now().wall_ms / 1000;
    time_format_utc(dates.until_s, until);
    if (memcmp(&dates, &dates_told, sizeof dates) != 0)
        LOG(LOG_INFO, "certificate loaded", LOG_TEXT("until", until),
            LOG_TEXT("file", settings->certificate));
    dates_told = dates;
    if (left_s > SOON_S)
        log_mended(&ending, "the certificate does not end soon any more");
    else if (left_s > 0)
        log_failing(&ending, LOG_WARN, "the certificate ends soon", "soon", until);
    else
        log_failing(&ending, LOG_ERROR, "the certificate has ended: the API server will not talk to it",
                    "ended", until);
}

static void failed(enum webhook_file file, const char *event, const char *text) {
    webhook_metrics_reload_failed(file);
    log_failing(&failing[file], LOG_ERROR, event, text, text);
}

static void read_certificate(void) {
    struct failure failure;
    switch (certificate_load(settings, &failure)) {
    case TLS_SERVER_LOADED:
        log_mended(&failing[WEBHOOK_FILE_CERTIFICATE], "the certificate can be used again");
        tell_end();
        return;
    case TLS_SERVER_LATER:
        again.deadline_ms = loop_now().mono_ms + AGAIN_MS;
        return;
    case TLS_SERVER_REFUSED:
        failed(WEBHOOK_FILE_CERTIFICATE, "the new certificate cannot be used: the old one stays",
               failure.message);
        return;
    }
}

/* ---- template and associations ---- */

static void read_template(void) {
    char text[SOURCES_PROBLEM_MAX];
    struct buf problem = BUF(text);
    bool changed = false;
    if (settings->template[0] == '\0')
        return;
    if (!sources_read_template(&changed, &problem)) {
        failed(WEBHOOK_FILE_TEMPLATE, "the new template cannot be used: the old one stays", text);
        return;
    }
    log_mended(&failing[WEBHOOK_FILE_TEMPLATE], "the template can be used again");
    if (changed)
        LOG(LOG_INFO, "template read", LOG_TEXT("file", settings->template));
}

static void tell_associations(void) {
    size_t usable, unusable;
    sources_count(&usable, &unusable);
    LOG(LOG_INFO, "associations read", LOG_NUMBER("usable", (int64_t)usable),
        LOG_NUMBER("unusable", (int64_t)unusable));
}

static void read_associations(void) {
    char text[SOURCES_PROBLEM_MAX];
    struct buf problem = BUF(text);
    bool changed = false;
    if (!sources_read_associations(&changed, &problem)) {
        failed(WEBHOOK_FILE_ASSOCIATIONS, "associations cannot be read: what was read before counts on",
               text);
        return;
    }
    log_mended(&failing[WEBHOOK_FILE_ASSOCIATIONS], "associations can be read again");
    if (changed)
        tell_associations();
}

/* ---- when ---- */

static void on_change(void);

static bool watch(size_t i, const char *path, bool folder) {
    if (path[0] == '\0' ||
        (folder ? watches_folder(&files[i], path, on_change) : watches_file(&files[i], path, on_change)))
        return true;
    log_failing(&unwatched, LOG_WARN, "a file or folder cannot be watched: it is read every 5 s", path,
                strerror(errno));
    return false;
}

/* Each time anew: a folder may be another by now. */
static void watch_all(void) {
    bool good = watch(0, settings->certificate, false);
    good = watch(1, settings->key, false) && good;
    good = watch(2, settings->client_ca, false) && good;
    good = watch(3, settings->template, false) && good;
    for (size_t i = 0; i < settings->association_count; i++)
        good = watch(4 + i, settings->associations[i], true) && good;
    if (good)
        log_mended(&unwatched, "files are watched again");
    else
        again.deadline_ms = loop_now().mono_ms + UNWATCHED_MS;
}

void reloads_all(void) {
    again.deadline_ms = CLOCK_NEVER;
    watches_forget_files();
    watch_all();
    read_certificate();
    read_template();
    read_associations();
}

static void on_change(void) {
    reloads_all();
}

static void on_again(struct loop_timer *timer) {
    (void)timer;
    reloads_all();
}

static void on_look(struct loop_timer *timer) {
    tell_end();
    timer->deadline_ms = loop_now().mono_ms + LOOK_MS;
}

int reloads_first(const struct webhook_settings *given) {
    char text[SOURCES_PROBLEM_MAX];
    struct buf problem = BUF(text);
    struct failure failure;
    bool changed;
    settings = given;
    sources_open(given);
    if (certificate_load(given, &failure) != TLS_SERVER_LOADED)
        return complaint_failure(&failure);
    if ((given->template[0] != '\0' && !sources_read_template(&changed, &problem)) ||
        !sources_read_associations(&changed, &problem))
        return complaint(REASON_SETTING_INVALID, text);
    if (given->association_count > 0)
        tell_associations();
    return 0;
}

void reloads_watch(void) {
    again.expired = on_again;
    look.expired = on_look;
    loop_add_timer(&again);
    loop_add_timer(&look);
    watch_all();
    tell_end();
    look.deadline_ms = clock_now().mono_ms + LOOK_MS;
}
