/* Which failure a bounded wait ends with, of all that its attempts met. Free of I/O and of clocks.
 *
 * The latest one, except where it is mere silence: an attempt that was not answered in less time than the
 * source would have given it, because the wait ended or had the next one begin sooner, tells how far it came
 * and no more. So it does not replace a failure that was met as far along the way, or further; not until the
 * silence there has lasted as long as one attempt with the source's own limits. */
#ifndef POD_IDENTITY_SOURCE_VERDICT_H
#define POD_IDENTITY_SOURCE_VERDICT_H

#include "common/source/fetch.h"

/* Zero it once, and for another address. */
struct verdict {
    bool there;                  /* a failure stands, and is kept by the owner */
    bool silent;                 /* the attempts since silent_since_ms were not answered in time */
    bool spoke;                  /* the failure that stands is not such a silence */
    bool kept;                   /* the latest attempt has not replaced it */
    unsigned reached, silent_at; /* one server's silence says nothing of another's */
    int64_t silent_since_ms;
};

/* Whether the outcome of an attempt that ended at now_ms (monotonic) counts: if not, what was before it
 * stands. */
bool verdict_takes(struct verdict *verdict, const struct fetch_outcome *outcome, int64_t now_ms);

/* Behind the last attempt, of a wait by --wait: appends to the failure that stands that it is not the last
 * attempt's. */
void verdict_explain(const struct verdict *verdict, struct failure *failure);

#endif
