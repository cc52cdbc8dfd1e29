/* Which role a service account gets where no EKS says so: associations out of ConfigMaps.
 *
 * A source is a folder (a mounted ConfigMap: one file a key) or a ConfigMap of the API server. A key is
 * NAMESPACE.SERVICEACCOUNT, its value JSON with the field names of EKS's API. A value that cannot be used
 * drops its key alone, and a key that is gone from its source is gone here; a source that cannot be read at
 * all keeps what it had. The same key in two sources counts in the one that was given first. One set for the
 * process. */
#ifndef POD_IDENTITY_AGENT_ASSOCIATIONS_H
#define POD_IDENTITY_AGENT_ASSOCIATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/api_server.h"
#include "agent/association.h"
#include "common/base/failure.h"

/* For each thing that changed: entries whose hash is another now are to be dropped. */
typedef void associations_changed(void);

/* sources: what `--associations` said, at most ASSOCIATIONS_SOURCES_MAX, borrowed: absolute paths of folders,
 * or once ASSOCIATIONS_CONFIGMAP "NAMESPACE/NAME", for which the API server is asked (else it may be NULL).
 * After loop_open() and upstream_open(), before the sandbox. Reads folders at once; what cannot be read is
 * said in the log and tried again. REASON_SETTING_INVALID: a source that is neither. */
#define ASSOCIATIONS_CONFIGMAP "configmap:"
enum reason associations_open(const struct associations_rules *rules, const struct api_server *server,
                              const char *const *sources, size_t count, associations_changed *changed,
                              struct failure *failure);

/* Whether each source has been read at least once. */
bool associations_ready(void);

enum association_state {
    ASSOCIATION_FOUND,
    ASSOCIATION_NONE,
    ASSOCIATION_UNUSABLE, /* there is a key, with a value that cannot be used */
    ASSOCIATION_UNKNOWN   /* there is none, and a source has not been read yet */
};
enum association_state associations_find(const char *namespace, const char *service_account,
                                         struct association *out);

/* The hash of what associations_find() finds; 0: nothing that can be used. */
uint64_t associations_hash(const char *namespace, const char *service_account);
/* Another number after each change. */
unsigned associations_generation(void);

/* Usable ones, and keys with values that are not, for metrics. */
void associations_count(size_t *usable, size_t *unusable);

#endif
