/* The method that asks EKS Auth (exchange.h), as the EKS Pod Identity Agent does. It signs with
 * node_credentials(). */
#ifndef POD_IDENTITY_AGENT_EXCHANGE_EKS_AUTH_H
#define POD_IDENTITY_AGENT_EXCHANGE_EKS_AUTH_H

#include "agent/exchange.h"
#include "common/pod/injection.h"

/* cluster and lookup are borrowed; where EKS Auth is, lookup says, once node_region() is known. */
void exchange_eks_auth_open(const char *cluster, injection_getenv *lookup, bool pass_expired);
extern const struct exchange_method exchange_eks_auth;

#endif
