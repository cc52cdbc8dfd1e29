/* Tokens that are requests signed beforehand: passwords of databases and caches, and bearers of Kafka and
 * Kubernetes.
 *
 * Held equal, byte for byte, to botocore's generate_db_auth_token (rds), to the request that the ElastiCache
 * and MemoryDB user guides describe under "Authenticating with IAM", signed by botocore, to
 * aws-msk-iam-sasl-signer-python (msk) and to `aws eks get-token` (eks). No I/O here. */
#ifndef POD_IDENTITY_AWS_AWS_TOKEN_H
#define POD_IDENTITY_AWS_AWS_TOKEN_H

#include "common/aws/endpoints.h"
#include "common/aws/sigv4.h"
#include "common/pod/credentials.h"
#include "common/text/base64url.h"

enum aws_token_kind {
    AWS_TOKEN_RDS,
    AWS_TOKEN_ELASTICACHE,
    AWS_TOKEN_MEMORYDB,
    AWS_TOKEN_MSK,
    AWS_TOKEN_EKS,
    AWS_TOKEN_KINDS
};

#define AWS_TOKEN_LIFE_S 900     /* from the second in which it is signed: all services' limit */
#define AWS_TOKEN_EKS_LIFE_S 840 /* a minute less, as the AWS CLI tells kubectl */
#define AWS_TOKEN_USER_MAX 129   /* with the NUL; MySQL takes 32 characters, PostgreSQL 63, ElastiCache 120 */
#define AWS_TOKEN_ORIGIN_MAX (sizeof "https://" + URI_HOST_MAX + sizeof ":65535")
#define AWS_TOKEN_URL_MAX (SIGV4_QUERY_MAX + AWS_TOKEN_ORIGIN_MAX)
#define AWS_TOKEN_MAX (sizeof "k8s-aws-v1." + BASE64URL_SIZE(AWS_TOKEN_URL_MAX)) /* with its NUL */
#define AWS_TOKEN_PROBLEM_MAX 512

/* What a token is wanted for. Zero but for the kind before the first parameter. */
struct aws_token {
    enum aws_token_kind kind;
    uint8_t given; /* the parameters that were set */
    bool serverless;
    uint16_t port;
    char region[ENDPOINT_REGION_MAX];
    char user[AWS_TOKEN_USER_MAX];
    char place[URI_HOST_MAX];          /* host, cache or cluster */
    char origin[AWS_TOKEN_ORIGIN_MAX]; /* made by aws_token_complete(): what the token begins with */
};

/* "rds", "elasticache", "memorydb", "msk", "eks". */
const char *aws_token_name(enum aws_token_kind kind);
bool aws_token_find(const char *name, enum aws_token_kind *kind);
#define AWS_TOKEN_KINDS_TEXT "the kind of a token is rds, elasticache, memorydb, msk or eks"

/* Sets a parameter: host, port and user of rds; cache, user and serverless (true or false) of elasticache;
 * cache and user of memorydb; cluster of eks; region of all. False with the parameter's name and what is
 * wrong with it, without its value. */
bool aws_token_set(struct aws_token *t, const char *name, const char *value, struct buf *problem);

/* Behind the last parameter: names the one that is missing, and takes the region from AWS_REGION or
 * AWS_DEFAULT_REGION if none is given. Of eks, finds STS (endpoints.h). */
bool aws_token_complete(struct aws_token *t, injection_getenv *lookup, struct buf *problem);

/* How long a token that is signed at this moment lives, at most: it does not outlive the credentials. 0: they
 * have ended. */
int64_t aws_token_life_s(const struct aws_token *t, const struct credentials *c, int64_t unix_s);

/* Large; wiped after each use. What is not used of it takes no memory if it is static. */
struct aws_token_scratch {
    char url[AWS_TOKEN_URL_MAX];
    struct sigv4_scratch sigv4;
};

/* Appends the token of a complete *t. agent: what Kafka's brokers log as the client; not escaped.
 * ERR_TOO_LONG: the session token is too long for a URL; ERR_RANGE: the credentials have ended. */
enum err aws_token_sign(const struct aws_token *t, const struct credentials *c, int64_t unix_s,
                        const char *agent, struct aws_token_scratch *scratch, struct buf *out);

#endif
