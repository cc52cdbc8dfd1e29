/* What the error answers of the EKS Pod Identity Agent mean: those of its own, and those of EKS Auth, whose
 * code it passes on in parentheses.
 *
 * Source: aws/eks-pod-identity-agent pkg/errors, internal/validation (0.1.37); the errors of
 * AssumeRoleForPodIdentity in the model of eks-auth 2023-11-26. */
#ifndef POD_IDENTITY_POD_AGENT_ERROR_H
#define POD_IDENTITY_POD_AGENT_ERROR_H

#include <stddef.h>

#include "common/base/failure.h"
#include "common/http/middlebox.h"

#define AGENT_LOG_HINT FAILURE_AGENT_LOG

struct agent_error {
    enum reason reason;
    const char *cause;  /* for struct failure: the code, or what the status says */
    const char *remedy; /* static text without % */
};

/* The meaning of an answer that brings no credentials. The body is text of any kind; box: who seems to have
 * answered, if it was not the agent. */
struct agent_error agent_error_find(int status, const char *body, size_t len, enum middlebox box);

/* Whether the body is "[REQUEST-ID]" and nothing else: so the agent says, with any status, that it can make
 * nothing of what answered it. */
bool agent_error_is_bare(const char *body, size_t len);

/* Our node agent on a cluster that is not EKS has, in place of the request id, what its associations are in:
 * "[configmap:NAMESPACE/NAME]: (CODE): …", or "[associations]: …" for a folder. */
#define AGENT_ERROR_CONFIGMAP "configmap:"
#define AGENT_ERROR_ASSOCIATIONS "associations"

struct agent_error_source {
    bool there;                    /* so this is not EKS */
    char namespace[64], name[128]; /* of the ConfigMap; "": it is not said, or is no name of Kubernetes */
};
/* Looks for such brackets anywhere in a text: an answer, or a message that quotes one. */
struct agent_error_source agent_error_source(const char *text, size_t len);

#endif
