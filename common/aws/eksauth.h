/* EKS Auth: AssumeRoleForPodIdentity, asked directly, as the EKS Pod Identity Agent asks it.
 *
 * Source: boto/botocore data/eks-auth/2023-11-26. No I/O here. */
#ifndef POD_IDENTITY_AWS_EKSAUTH_H
#define POD_IDENTITY_AWS_EKSAUTH_H

#include "common/aws/sts.h"
#include "common/base/clock.h"
#include "common/pod/token_file.h"

#define EKSAUTH_CLUSTER_MAX 100

/* 1 to 100 letters, digits, '-' and '_', the first a letter or digit. */
bool eksauth_cluster_valid(const char *name);

/* Makes the request in *call, which must live until it was started and be wiped then. cluster must be valid.
 * ERR_TOO_LONG: the token; ERR_SYNTAX: it is no JWT. */
enum err eksauth_request(const struct endpoint *endpoint, const char *cluster, const struct token *token,
                         const struct credentials *signer, int64_t unix_s, struct aws_call *call,
                         struct http_request *out);

/* Judges the answer. On a failure *out is wiped; the cause AWS_CAUSE_SIGNATURE stands for a signature that
 * was refused. who: as for sts_credentials(). */
enum reason eksauth_result(const struct endpoint *endpoint, const char *cluster,
                           const struct http_response *response, struct moment now, struct credentials *out,
                           struct sts_identity *who, struct failure *failure);

#endif
