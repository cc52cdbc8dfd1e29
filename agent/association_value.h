/* The value of an association's key: JSON with the field names of EKS's API, read strictly. No I/O. */
#ifndef POD_IDENTITY_AGENT_ASSOCIATION_VALUE_H
#define POD_IDENTITY_AGENT_ASSOCIATION_VALUE_H

#include "agent/association.h"
#include "common/aws/sts_role.h"

/* What an association says, in storage of its own; "": not given. */
struct association_text {
    char role_arn[STS_ARN_MAX + 1];
    char target_role_arn[STS_ARN_MAX + 1];
    char external_id[STS_EXTERNAL_ID_MAX + 1];
    char policy[STS_POLICY_MAX + 1];
    int64_t duration_s; /* 0: not given */
    bool session_tags;
    enum exchange_kind exchange;
};

#define ASSOCIATION_PROBLEM_MAX 320
struct association_problem {
    unsigned line;                      /* of the value, from 1 */
    const char *field;                  /* static text: "roleArn", "the value" */
    char text[ASSOCIATION_PROBLEM_MAX]; /* what is wrong, in words that fit behind the field */
};

/* False, with *problem, if anything in it is not as it should be; *out is then worth nothing. */
bool association_parse(const char *text, size_t len, const struct associations_rules *rules,
                       struct association_text *out, struct association_problem *problem);

/* Whether a key can be NAMESPACE.SERVICEACCOUNT: a namespace is a DNS label, a service account a DNS
 * subdomain. False with what is wrong with it, in words that fit behind the key. */
bool association_key_check(const char *key, size_t len, struct buf *problem);

#endif
