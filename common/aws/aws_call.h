/* One POST to an AWS service: its storage, its signature, and what it means when no answer comes.
 *
 * Source: the service models in boto/botocore (sts 2011-06-15, eks-auth 2023-11-26). No I/O here. */
#ifndef POD_IDENTITY_AWS_AWS_CALL_H
#define POD_IDENTITY_AWS_AWS_CALL_H

#include "common/aws/endpoints.h"
#include "common/aws/sigv4.h"
#include "common/base/failure.h"
#include "common/base/timefmt.h"
#include "common/http/http.h"
#include "common/pod/credentials.h"
#include "common/pod/token_file.h"

#define AWS_CALL_CONNECT_MS 5000
#define AWS_CALL_TOTAL_MS 15000 /* STS asks the cluster's issuer in between, and SDKs wait longer */
#define AWS_CALL_BODY_MAX                                                                                    \
    (TOKEN_FILE_MAX +                                                                                        \
     1024) /* JSON around a token; STS takes 20,000 characters of one, and a policy of 2048 */
#define AWS_CALL_PATH_MAX 192           /* of what is asked, behind an endpoint's own path */
#define AWS_CALL_QUOTED_MAX 400         /* of an error's text */
#define AWS_CALL_SKEW_MIN_S 60          /* servers tolerate 5 to 15 minutes: less than that is no cause */
#define AWS_CAUSE_SIGNATURE "signature" /* of a failure: wrong secret, or a clock that is off */

/* Large; what is not used of it takes no memory if it is static. */
struct aws_call {
    char url[URI_TEXT_MAX + AWS_CALL_PATH_MAX];
    char host[URI_HOST_MAX + 8];
    char date[TIME_BASIC_MAX];
    char authorization[SIGV4_AUTHORIZATION_MAX];
    struct http_header headers[6];
    size_t body_len;
    char body[AWS_CALL_BODY_MAX];
    struct sigv4_scratch scratch; /* last: without a signature it takes no memory */
};

/* What is asked of whom: also the words of every message about it. */
struct aws_target {
    const struct endpoint *endpoint;
    const char *service; /* to sign for, and in messages: "sts", "eks-auth" */
    const char *path;    /* "/" or "/clusters/NAME/…", of unreserved characters */
    const char *type;    /* of the body */
    const char *action;  /* "AssumeRole" */
    const char *object;  /* a role's ARN, a cluster's name; "" if there is none */
};

/* Makes the request for the body that *call holds, signed with signer at that time, or not signed if it is
 * NULL. *call must live until the request was started, and be wiped then. ERR_TOO_LONG. */
enum err aws_call_request(struct aws_call *call, const struct aws_target *target,
                          const struct credentials *signer, int64_t unix_s, struct http_request *out);
void aws_call_wipe(struct aws_call *call);

/* Starts a failure: "POST URL (ACTION OBJECT) ". */
struct buf aws_call_begin(const struct aws_target *target, enum reason reason, struct failure *failure);

/* The failure of a request that got no answer. */
enum reason aws_call_unanswered(const struct aws_target *target, const struct http_response *response,
                                struct failure *failure);

/* The remedy of an answer that is not in AWS's form: it names who seems to have given it. */
void aws_call_stranger(const struct aws_target *target, const struct http_response *response,
                       struct failure *failure);

/* The failure of an answer of 200 that is not what was asked for: `part` of it is wrong. */
enum reason aws_call_nonsense(const struct aws_target *target, const struct http_response *response,
                              const char *part, enum err e, struct failure *failure);

/* The failure of credentials that have ended when they come. */
enum reason aws_call_expired(const struct aws_target *target, int64_t expires_ms, int64_t now_ms,
                             struct failure *failure);

#endif
