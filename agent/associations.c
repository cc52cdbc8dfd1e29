#include "agent/associations.h"

#include <errno.h>
#include <string.h>

#include "agent/association_folder.h"
#include "agent/association_table.h"
#include "agent/association_watch.h"
#include "agent/files.h"
#include "common/base/log.h"
#include "common/serve/loop.h"

#define RETRY_MS 5000 /* of a folder that is not there */

struct source {
    const char *name;
    bool watched;      /* a ConfigMap of the API server, else a folder */
    bool read, broken; /* broken: to be read again in a while */
    struct watches_file watch;
    struct log_repeat failing, unwatched;
};

static struct source sources[ASSOCIATIONS_SOURCES_MAX];
static const char *names[ASSOCIATIONS_SOURCES_MAX];
static size_t source_count;
static unsigned generation;
static associations_changed *on_change;
static struct loop_timer retry = {.deadline_ms = CLOCK_NEVER};

static void read_changed(void);

/* ---- folders ---- */

static void unreadable(struct source *s, int error) {
    char text[PATH_MAX + 256];
    struct buf b = BUF(text);
    s->broken = true;
    buf_printable(&b, s->name, strlen(s->name), PATH_MAX);
    buf_fmt(&b, ": %s; %s", strerror(error),
            s->read ? "what was read before counts on" : "no association is known from it");
    buf_str(&b,
            "; give --associations a folder that the agent's user may read, with a file a service account");
    log_failing(&s->failing, LOG_ERROR, "associations cannot be read", strerror(error), b.data);
}

static void tell_counts(const struct source *s) {
    size_t usable, unusable;
    table_count(&usable, &unusable);
    LOG(LOG_INFO, "associations read", LOG_TEXT("source", s->name), LOG_NUMBER("usable", (int64_t)usable),
        LOG_NUMBER("unusable", (int64_t)unusable));
}

static void unwatched(struct source *s, int error) {
    s->broken = true;
    log_failing(&s->unwatched, LOG_WARN, "a folder of associations cannot be watched: it is read every 5 s",
                s->name, strerror(error));
}

/* Watched first, so that nothing is missed in between; and each time, since the folder may be another by now.
 */
static bool read_source(size_t i) {
    struct source *s = &sources[i];
    bool changed = false, first = !s->read, watched = files_watch_folder(&s->watch, s->name, read_changed);
    int error = errno;
    if (!association_folder_read(i, s->name, &changed)) {
        unreadable(s, errno);
        return false;
    }
    s->read = true;
    s->broken = false;
    log_mended(&s->failing, "associations can be read again");
    if (watched)
        log_mended(&s->unwatched, "a folder of associations is watched again");
    else
        unwatched(s, error);
    if (changed || first)
        tell_counts(s);
    return changed || first;
}

static void tell_change(void) {
    generation++;
    if (on_change != NULL)
        on_change();
}

static void read_all(bool only_broken) {
    bool changed = false, broken = false;
    for (size_t i = 0; i < source_count; i++) {
        if (!sources[i].watched && (!only_broken || sources[i].broken))
            changed = read_source(i) || changed;
        broken = broken || sources[i].broken;
    }
    retry.deadline_ms = broken ? clock_now().mono_ms + RETRY_MS : CLOCK_NEVER;
    if (changed)
        tell_change();
}

/* ---- a ConfigMap of the API server ---- */

static void configmap_read(size_t i, bool changed) {
    struct source *s = &sources[i];
    bool first = !s->read;
    s->read = true;
    if (!changed && !first)
        return;
    tell_counts(s);
    tell_change();
}

static void read_changed(void) {
    read_all(false);
}

static void read_again(struct loop_timer *timer) {
    (void)timer;
    read_all(true);
}

/* ---- the whole ---- */

static enum reason refuse(const char *source, const char *why, struct failure *f) {
    struct buf m = failure_begin(f, REASON_SETTING_INVALID);
    f->permanent = true;
    buf_str(&m, "--associations=");
    buf_printable(&m, source, strlen(source), 200);
    buf_fmt(&m, " %s", why);
    failure_remedy(f, "give the absolute path of a mounted ConfigMap, or " ASSOCIATIONS_CONFIGMAP
                      "NAMESPACE/NAME");
    return f->reason;
}

static const char *configmap_of(const char *source) {
    static const char prefix[] = ASSOCIATIONS_CONFIGMAP;
    return strncmp(source, prefix, sizeof prefix - 1) == 0 ? source + sizeof prefix - 1 : NULL;
}

enum reason associations_open(const struct associations_rules *rules, const struct api_server *server,
                              const char *const *given, size_t count, associations_changed *changed,
                              struct failure *f) {
    size_t watched = count;
    if (count > ASSOCIATIONS_SOURCES_MAX)
        return refuse(given[ASSOCIATIONS_SOURCES_MAX], "is one source too many: there can be 8", f);
    for (size_t i = 0; i < count; i++) {
        const char *configmap = configmap_of(given[i]);
        if (configmap == NULL && given[i][0] != '/')
            return refuse(given[i], "is neither an absolute path nor a ConfigMap", f);
        if (configmap != NULL && !association_watch_name(configmap))
            return refuse(given[i], "is not NAMESPACE/NAME", f);
        if (configmap != NULL && watched < count)
            return refuse(given[i], "is a second ConfigMap: one can be watched; others can be mounted", f);
        if (configmap != NULL)
            watched = i;
        sources[i] = (struct source){.name = given[i], .watched = configmap != NULL};
        names[i] = given[i];
    }
    source_count = count;
    table_open(rules, names);
    retry.expired = read_again;
    loop_add_timer(&retry);
    read_all(false);
    if (watched < count)
        association_watch_open(server, watched, configmap_of(given[watched]), configmap_read);
    on_change = changed; /* the caller knows of the first reading */
    return REASON_OK;
}

bool associations_ready(void) {
    for (size_t i = 0; i < source_count; i++) {
        if (!sources[i].read)
            return false;
    }
    return true;
}

enum association_state associations_find(const char *namespace, const char *service_account,
                                         struct association *out) {
    char text[ASSOCIATIONS_KEY_MAX + 1];
    struct buf key = BUF(text);
    bool usable;
    buf_fmt(&key, "%s.%s", namespace, service_account);
    /* A namespace has no dot: with one, a key would have two meanings. */
    bool found = !key.overflow && strchr(namespace, '.') == NULL && table_find(text, out, &usable);
    if (found)
        return usable ? ASSOCIATION_FOUND : ASSOCIATION_UNUSABLE;
    return associations_ready() ? ASSOCIATION_NONE : ASSOCIATION_UNKNOWN;
}

uint64_t associations_hash(const char *namespace, const char *service_account) {
    struct association found;
    return associations_find(namespace, service_account, &found) == ASSOCIATION_FOUND ? found.hash : 0;
}

unsigned associations_generation(void) {
    return generation;
}

void associations_count(size_t *usable, size_t *unusable) {
    table_count(usable, unusable);
}
