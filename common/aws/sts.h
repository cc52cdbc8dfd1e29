/* The Security Token Service: AssumeRole, AssumeRoleWithWebIdentity, GetCallerIdentity.
 *
 * Source: boto/botocore data/sts/2011-06-15; the limits are those of its model. No I/O here. */
#ifndef POD_IDENTITY_AWS_STS_H
#define POD_IDENTITY_AWS_STS_H

#include "common/aws/aws_call.h"
#include "common/aws/sts_role.h"
#include "common/base/clock.h"
#include "common/pod/token_file.h"

#define STS_TOKEN_MAX 20000

/* Whose credentials they are. The long one last, so that what it does not use takes no memory. */
struct sts_identity {
    char account[CREDENTIALS_ACCOUNT_MAX];
    char user_id[STS_USER_ID_MAX + 1]; /* ROLE-ID:SESSION for roles; "" if it was not told */
    char arn[STS_ARN_MAX + 1];         /* arn:PARTITION:sts::ACCOUNT:assumed-role/ROLE/SESSION for roles */
};

/* Copies a part of it, or "" where text is NULL, too long, or holds what an ARN cannot: blanks, quotes,
 * backslashes, what is not ASCII. */
void sts_identity_take(const char *text, char *out, size_t cap);

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
 * was refused. role is that of the request; web: by web identity. who gets ARN and user id, as far as the
 * answer tells them; it may be NULL. */
enum reason sts_credentials(const struct endpoint *endpoint, const struct sts_role *role, bool web,
                            const struct http_response *response, struct moment now, struct credentials *out,
                            struct sts_identity *who, struct failure *failure);
enum reason sts_identity(const struct endpoint *endpoint, const struct http_response *response,
                         struct sts_identity *out, struct failure *failure);

/* The parts of an assumed role's ARN, or false if it is none. Both are cut out of arn. */
bool sts_role_of(const char *arn, char role[STS_SESSION_NAME_MAX + 1],
                 char session[STS_SESSION_NAME_MAX + 1]);

#endif
