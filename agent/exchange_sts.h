/* The method that asks STS for the role of an association (exchange.h): with the pod's own token
 * (AssumeRoleWithWebIdentity), which needs no credentials of the agent's, or with those (AssumeRole with
 * EKS's session tags); then, where there is a target role, that one with the credentials of the first. */
#ifndef POD_IDENTITY_AGENT_EXCHANGE_STS_H
#define POD_IDENTITY_AGENT_EXCHANGE_STS_H

#include "agent/api_server.h"
#include "agent/exchange.h"
#include "common/aws/sts_role.h"

struct exchange_sts_settings {       /* borrowed */
    const struct endpoint *endpoint; /* of STS */
    const char *cluster;             /* --cluster-name */
    const char *cluster_arn;         /* --cluster-arn; NULL: its tag is left out */
    bool pass_expired;
    const struct api_server *review; /* asked about the token first; NULL: nobody is */
    const char *audience;            /* for that */
};

void exchange_sts_open(const struct exchange_sts_settings *settings);

/* "eks-CLUSTER-POD-UID", of which the parts are cut, and what STS does not take in a name becomes '-': so
 * long that CloudTrail shows which pod it was. */
void exchange_sts_session_name(const char *cluster, const char *pod, const char *uid,
                               char out[STS_SESSION_NAME_MAX + 1]);

#endif
