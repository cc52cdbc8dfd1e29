/* The Security Token Service: AssumeRole, AssumeRoleWithWebIdentity, GetCallerIdentity.
 *
 * Source: boto/botocore data/sts/2011-06-15; the limits are those of its model. No I/O here. */
#ifndef POD_IDENTITY_STS_H
#define POD_IDENTITY_STS_H

#include "common/aws/aws_call.h"
#include "common/base/clock.h"
#include "common/pod/token_file.h"

#define STS_ARN_MAX 2048
#define STS_SESSION_NAME_MAX 64
#define STS_EXTERNAL_ID_MAX 1224
#define STS_POLICY_MAX 2048
#define STS_TOKEN_MAX 20000
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

/* Whose credentials they are. */
struct sts_identity {
    char account[CREDENTIALS_ACCOUNT_MAX];
    char arn[STS_ARN_MAX + 1]; /* arn:PARTITION:sts::ACCOUNT:assumed-role/ROLE/SESSION for roles */
};

/* Make the requests, in *call, which must live until they were started and be wiped then. ERR_TOO_LONG: more
 * than AWS_CALL_BODY_MAX. */
enum err sts_assume_role(const struct endpoint *endpoint, const struct sts_role *role,
                         const struct credentials *signer, int64_t unix_s, struct aws_call *call,
                         struct http_request *out);
enum err sts_web_identity(const struct endpoint *endpoint, const struct sts_role *role,
                          const struct token *token, struct aws_call *call, struct http_request *out);
enum err sts_caller_identity(const struct endpoint *endpoint, const struct credentials *signer,
                             int64_t unix_s, struct aws_call *call, struct http_request *out);

/* Judge the answers. On a failure *out is wiped; the cause AWS_CAUSE_SIGNATURE stands for a signature that
 * was refused. role is that of the request; web: by web identity. */
enum reason sts_credentials(const struct endpoint *endpoint, const struct sts_role *role, bool web,
                            const struct http_response *response, struct moment now, struct credentials *out,
                            struct failure *failure);
enum reason sts_identity(const struct endpoint *endpoint, const struct http_response *response,
                         struct sts_identity *out, struct failure *failure);

/* The parts of an assumed role's ARN, or false if it is none. Both are cut out of arn. */
bool sts_role_of(const char *arn, char role[STS_SESSION_NAME_MAX + 1],
                 char session[STS_SESSION_NAME_MAX + 1]);

#endif
