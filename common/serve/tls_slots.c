#include "common/serve/tls_slots.h"

#include "common/base/clock.h"
#include "common/base/far.h"
#include "common/base/log.h"
#include "common/serve/tls_load.h"

static struct tls_identity slots[3] FAR, *current;

struct tls_identity *tls_slots_current(void) {
    return current;
}

struct tls_identity *tls_slots_enter(void) {
    current->users++;
    return current;
}

void tls_slots_leave(struct tls_identity *t) {
    if (--t->users == 0 && t != current)
        tls_load_wipe(t);
}

static struct tls_identity *free_slot(void) {
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        if (&slots[i] != current && slots[i].users == 0)
            return &slots[i];
    }
    return NULL;
}

static void warn_of_dates(const struct tls_server_files *files, const struct tls_server_dates *d) {
    int64_t now_s = clock_now().wall_ms / 1000;
    if (d->from_s > now_s || d->until_s <= now_s)
        LOG(LOG_WARN, "the server's certificates are not valid now: no client will accept them",
            LOG_TEXT("certificate", files->certificate), LOG_NUMBER("from", d->from_s),
            LOG_NUMBER("until", d->until_s), LOG_NUMBER("now", now_s));
    if (d->client_ca_until_s != 0 && d->client_ca_until_s <= now_s)
        LOG(LOG_WARN, "an authority of the client CA is not valid any more: its clients are refused",
            LOG_TEXT("client_ca", files->client_ca), LOG_NUMBER("until", d->client_ca_until_s));
}

enum tls_slots_loaded tls_slots_load(const struct tls_server_files *files, struct failure *f) {
    struct tls_identity *old = current, *t = free_slot();
    if (t == NULL)
        return TLS_SLOTS_BUSY;
    if (!tls_load(files, t, f)) {
        tls_load_wipe(t);
        return TLS_SLOTS_REFUSED;
    }
    warn_of_dates(files, &t->dates);
    current = t;
    if (old != NULL && old->users == 0)
        tls_load_wipe(old);
    return TLS_SLOTS_LOADED;
}

void tls_slots_wipe(void) {
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++)
        tls_load_wipe(&slots[i]);
    current = NULL;
}
