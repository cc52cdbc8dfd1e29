/* What the agent counts, and its text for Prometheus (exposition format 0.0.4): the names of the EKS Pod
 * Identity Agent with their meaning there, and ours, pod_identity_agent_…. */
#ifndef POD_IDENTITY_AGENT_METRICS_H
#define POD_IDENTITY_AGENT_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/clock.h"

#define METRICS_TEXT_MAX 16384 /* that metrics_render() fills at most */

enum metrics_cache { METRICS_MISS, METRICS_HIT, METRICS_EVICTED, METRICS_CACHE_STATES };
enum metrics_validation { METRICS_SUCCESS, METRICS_FAILURE, METRICS_SKIPPED, METRICS_VALIDATIONS };

/* An answer on /v1/credentials, or any other path of the pods' addresses; the limiter's 429 are counted
 * apart.
 */
void metrics_response(int status);
void metrics_limited(bool by_pod);
/* MISS: nothing to serve was there, upstream is asked. HIT: a renewal succeeded (the real agent's meaning).
 * EVICTED: an entry went for want of room, or because upstream denied it. */
void metrics_cache(enum metrics_cache state);
/* Answered from memory, upstream not asked: what "hit" would mean to most. */
void metrics_served(void);
/* What came had expired, and was handed on all the same (--expired=pass). */
void metrics_passed_expired(void);
/* A renewal failed: code is EKS Auth's ("AccessDeniedException"), "" without one; ends: the entry went. */
void metrics_cache_error(const char *code, bool ends);
void metrics_validation(enum metrics_validation result);
/* An upstream exchange has ended, after so long. */
void metrics_upstream(bool success, int64_t took_ms);

/* What is read at the moment of rendering. */
struct metrics_gauges {
    size_t entries, entries_max;
    size_t bytes, bytes_max;  /* of the store */
    size_t waiting;           /* connections whose answer is not there yet */
    size_t in_flight, queued; /* upstream exchanges under way, and those that wait for a slot */
    size_t failures_remembered;
    size_t connections;
    int64_t nearest_expiry_ms; /* wall time at which the first entry's credentials end; 0: no entry */
    int64_t node_expires_ms;   /* node_expires_ms(); 0: none; CLOCK_NEVER: no gauge */
    size_t associations, associations_unusable;
    bool with_associations; /* --associations was given */
    bool ready;
};

/* /metrics. Nothing is cut: out has METRICS_TEXT_MAX. */
void metrics_render(const struct metrics_gauges *gauges, struct moment now, struct buf *out);

#endif
