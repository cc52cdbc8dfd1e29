/* When which entry is fetched anew: one heap of deadlines over their refresh machines
 * (common/source/refresh.h).
 *
 * Only what its pod has asked for since the last success is renewed: the entry of a pod that is gone ends
 * with its credentials. At most --max-service-qps renewals begin in a second, and first fetches go before
 * them. */
#ifndef POD_IDENTITY_AGENT_RENEWALS_H
#define POD_IDENTITY_AGENT_RENEWALS_H

#include "agent/store.h"
#include "common/base/clock.h"

#define RENEWALS_LAST_MS                                                                                     \
    15000 /* credentials with less time left are not handed out of the cache, as the real agent has it */

/* retention_ms: --max-credential-retention-before-renewal, the longest time until a renewal. After
 * loop_open(). */
void renewals_open(unsigned qps, int64_t retention_ms);

/* The entry has credentials that end then. */
void renewals_fetched(struct store_entry *entry, int64_t ends_wall_ms);
/* Its renewal failed, and what it has stays. */
void renewals_failed(struct store_entry *entry, int64_t retry_after_ms);
/* Its pod has asked just now. */
void renewals_asked(struct store_entry *entry);
/* It goes. */
void renewals_forget(struct store_entry *entry);

/* Whether its answer may be handed out. */
bool renewals_usable(const struct store_entry *entry, struct moment now);

/* A slot is free for a renewal, perhaps. */
void renewals_go_on(void);
/* The wall clock was set. */
void renewals_clock_jumped(void);
/* Wall time at which the first entry's credentials end; 0: there is none. */
int64_t renewals_nearest_expiry_ms(void);

#endif
