#include "agent/webhook/donor.h"

#include "agent/webhook/members.h"
#include "agent/webhook/variables.h"

/* Of Pod Identity, and of IRSA. */
static const char *const volumes[] = {"eks-pod-identity-token", "aws-iam-token"};
static const char *const names[] = {VARIABLE_URI,
                                    VARIABLE_TOKEN_FILE,
                                    "AWS_ROLE_ARN",
                                    "AWS_WEB_IDENTITY_TOKEN_FILE",
                                    "AWS_STS_REGIONAL_ENDPOINTS",
                                    "AWS_DEFAULT_REGION",
                                    "AWS_REGION"};
#define OF_PAIR 2 /* of them: given only if they are the EKS webhook's */

static bool one_of(struct json_span name, const char *const *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (span_is(name, list[i]))
            return true;
    }
    return false;
}

static bool has_token(const struct container *c) {
    return list_has(c->mounts, "name", volumes[0]) || list_has(c->mounts, "name", volumes[1]);
}

bool donor_find(const struct pod *pod, struct container *out) {
    for (size_t l = POD_LISTS; l-- > 0;) {
        for (size_t position = 0; pod_next(pod->lists[l], &position, out);) {
            if (has_token(out))
                return true;
        }
    }
    return false;
}

void donor_env(const struct container *donor, const struct container *c, struct additions *env) {
    struct json_span ignored, value, name, other;
    struct variables v = {false};
    variables_of(donor->env, &v);
    for (size_t position = 0; json_span_next(donor->env, &position, &ignored, &value);) {
        bool there = false;
        name = members_get(value, "name");
        for (size_t at = 0; json_span_next(c->env, &at, &ignored, &other);)
            there = there || span_same(members_get(other, "name"), name);
        size_t skipped = v.of_eks ? 0 : OF_PAIR;
        if (there || !one_of(name, names + skipped, sizeof names / sizeof names[0] - skipped))
            continue;
        buf_put(additions_next(env), value.at, value.len);
        additions_done(env);
    }
}

void donor_mounts(const struct container *donor, const struct container *c, struct additions *mounts) {
    struct json_span ignored, value;
    if (has_token(c))
        return;
    for (size_t position = 0; json_span_next(donor->mounts, &position, &ignored, &value);) {
        if (!one_of(members_get(value, "name"), volumes, 2))
            continue;
        buf_put(additions_next(mounts), value.at, value.len);
        additions_done(mounts);
    }
}
