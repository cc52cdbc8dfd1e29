#include "common/source/verdict.h"

#define LATE_MS 50 /* a limit of the source's own may end an attempt that much early, by another clock */

bool verdict_takes(struct verdict *v, const struct fetch_outcome *o, int64_t now_ms) {
    bool silent = o->silent_ms > 0;
    if (silent && (!v->silent || o->reached != v->silent_at))
        v->silent_since_ms = now_ms - o->silent_ms;
    v->silent = silent;
    v->silent_at = o->reached;
    v->kept = v->there && silent && o->reached <= v->reached &&
              now_ms - v->silent_since_ms + LATE_MS < o->patience_ms;
    if (v->kept)
        return false;
    v->there = true;
    v->spoke = !silent;
    v->reached = o->reached;
    return true;
}

void verdict_explain(const struct verdict *v, struct failure *f) {
    if (!v->kept || !v->spoke)
        return;
    struct buf m = failure_more(f);
    buf_str(&m, "; the last attempt was not answered before --wait ended");
}
