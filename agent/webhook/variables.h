/* Which variables of AWS a container has by itself. What envFrom brings nobody here can know, as nobody can
 * in the EKS webhook. No I/O. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_VARIABLES_H
#define POD_IDENTITY_AGENT_WEBHOOK_VARIABLES_H

#include <stdbool.h>

#include "agent/json_scan.h"

#define VARIABLE_URI "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define VARIABLE_TOKEN_FILE "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"

struct variables {
    bool endpoint;     /* any AWS_CONTAINER_…, but for the pair that the EKS webhook gives */
    bool of_eks;       /* that pair, whole */
    bool pair;         /* either of the two above */
    bool region;       /* AWS_REGION or AWS_DEFAULT_REGION */
    bool regional_sts; /* AWS_STS_REGIONAL_ENDPOINTS */
};

#define VARIABLE_EKS_TOKEN_FILE                                                                              \
    "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"

/* One that is being added. */
void variables_note(struct json_span name, struct variables *out);
/* Of a list of variables; out is zero. */
void variables_of(struct json_span env, struct variables *out);

#endif
