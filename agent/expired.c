#include "agent/expired.h"

#include "agent/metrics.h"
#include "agent/renewals.h"
#include "common/base/log.h"

static struct log_repeat passing;

bool expired_worse(const struct flight *f, struct exchange *slot, struct moment now) {
    const struct store_entry *e = f->trusted ? store_find(&f->key) : NULL;
    if (slot->ends_wall_ms > now.wall_ms || e == NULL || !renewals_usable(e, now))
        return false;
    struct buf m = failure_begin(&slot->failure, REASON_BAD_RESPONSE);
    slot->failure.cause = "expired";
    buf_str(&m, "the credentials that came have expired: the pod keeps those that it has");
    exchange_fail_silent(slot, EXCHANGE_WAY, false, "");
    return true;
}

void expired_note(const struct exchange *slot, struct moment now) {
    if (slot->ends_wall_ms > now.wall_ms) {
        log_mended(&passing, "credentials that come are valid again");
        return;
    }
    metrics_passed_expired();
    log_failing(&passing, LOG_WARN, "the credentials have expired, and are passed on (--expired=pass)",
                "expired", "AWS hands them out so while it cannot make new ones");
}
