/* A role to be assumed, with the settings of its session; the limits are those of STS's model
 * (boto/botocore data/sts/2011-06-15). */
#ifndef POD_IDENTITY_AWS_STS_ROLE_H
#define POD_IDENTITY_AWS_STS_ROLE_H

#include <stddef.h>
#include <stdint.h>

#define STS_ARN_MAX 2048
#define STS_USER_ID_MAX 193
#define STS_SESSION_NAME_MAX 64
#define STS_EXTERNAL_ID_MAX 1224
#define STS_POLICY_MAX 2048
#define STS_TAGS_MAX 16 /* the service takes 50, of which most policies' room would not hold half */
#define STS_TAG_KEY_MAX 128
#define STS_TAG_VALUE_MAX 256
#define STS_DURATION_MIN_S 900
#define STS_DURATION_MAX_S 43200
#define STS_CHAIN_MAX_S 3600 /* of a role that is assumed with a role's credentials */

/* All text is borrowed, and was judged by whoever filled this in; NULL: not given. */
struct sts_role {
    const char *arn, *session_name, *external_id, *source_identity, *policy;
    int64_t duration_s; /* 0: the service's default, an hour */
    struct {
        const char *key, *value;
    } tags[STS_TAGS_MAX];
    size_t tag_count;
    const char *transitive[STS_TAGS_MAX]; /* keys of tags that roles further on inherit */
    size_t transitive_count;
};

#endif
