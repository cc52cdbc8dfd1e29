/* One association, its limits, and the rules that all of them are held to. */
#ifndef POD_IDENTITY_AGENT_ASSOCIATION_H
#define POD_IDENTITY_AGENT_ASSOCIATION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/pod/role_arn.h"

#define ASSOCIATIONS_SOURCES_MAX 8
#define ASSOCIATIONS_MAX 8192                   /* of all sources */
#define ASSOCIATIONS_TEXT_MAX (2 * 1024 * 1024) /* bytes of text of all of them */
#define ASSOCIATIONS_SOURCE_MAX (1024 * 1024)   /* a ConfigMap: keys and values; Kubernetes' own limit */
#define ASSOCIATIONS_KEY_MAX 253                /* of a ConfigMap; Kubernetes' own limit */
#define ASSOCIATIONS_VALUE_MAX 16384 /* two ARNs, an external id and a policy, all escaped, have 11 kB */

enum exchange_kind { EXCHANGE_WEB_IDENTITY, EXCHANGE_ASSUME_ROLE };

struct association { /* text is borrowed, and valid until the sources are read again; NULL: not given */
    const char *role_arn, *target_role_arn, *external_id, *policy;
    int64_t duration_s; /* 0: not given */
    bool session_tags;
    enum exchange_kind exchange;
    uint64_t hash; /* of all of it; never 0 */
};

struct associations_rules {
    enum exchange_kind
        ceiling; /* --exchange: what an association may ask for at most, and gets if it says nothing */
    enum role_arn_maker maker; /* whose STS is asked */
    bool
        agent_is_role; /* the agent's own credentials are a role's: assume-role chains, an hour is the most */
};

#endif
