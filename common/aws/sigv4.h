/* AWS Signature Version 4, signing in the headers or in the query.
 *
 * Source: IAM User Guide, "Create a signed AWS API request"; tested against the public test suite of
 * awslabs/aws-c-auth in all three stages. The caller provides all storage; nothing is sent from here. */
#ifndef POD_IDENTITY_AWS_SIGV4_H
#define POD_IDENTITY_AWS_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/text/hash.h"

#define SIGV4_HEADERS_MAX 24 /* STS and EKS Auth need five */
#define SIGV4_PARAMETERS_MAX 32
#define SIGV4_CANONICAL_MAX 16384 /* a canonical request: the longest part is a session token of 8 kB */
#define SIGV4_AUTHORIZATION_MAX 1024
#define SIGV4_QUERY_MAX                                                                                      \
    (SIGV4_CANONICAL_MAX / 2) /* of a signed query: three bytes for each that is escaped */
#define SIGV4_SECRET_MAX 252  /* characters of a secret access key; AWS's have 40 */

struct sigv4_header {
    const char *name;  /* any case; the canonical form is made here */
    const char *value; /* may be folded over lines */
};

struct sigv4_request {
    const char *method; /* upper case */
    const char *path;   /* as sent, without the query; "" stands for "/" */
    const char *query;  /* as sent, without '?'; "" if none */
    const struct sigv4_header
        *headers; /* exactly those to be signed: host, x-amz-date, x-amz-security-token, … */
    size_t header_count;
    const void *body;
    size_t body_len;
    bool keep_path; /* S3-like services: the path is not normalised */
};

struct sigv4_scope {
    const char *access_key_id;
    const char *secret_access_key; /* at most SIGV4_SECRET_MAX */
    const char *region;
    const char *service;
    int64_t unix_s; /* must be the time in the x-amz-date header */
};

/* What is written down on the way to a signature: the caller's, and wiped after each use. */
struct sigv4_scratch {
    char query[SIGV4_QUERY_MAX];
    char canonical[SIGV4_CANONICAL_MAX];
};

/* The three stages, each usable alone. out is a builder of at least the sizes above.
 * ERR_TOO_LONG: too many headers or parameters, or out is full. */
enum err sigv4_canonical_request(const struct sigv4_request *request, struct sigv4_scratch *scratch,
                                 struct buf *out);
void sigv4_string_to_sign(const struct sigv4_scope *scope, const char *canonical, size_t len,
                          struct buf *out);
void sigv4_signature(const struct sigv4_scope *scope, const char *to_sign, size_t len,
                     char out[HASH_HEX_SIZE]);

/* All at once: the value of the Authorization header. */
enum err sigv4_authorization(const struct sigv4_scope *scope, const struct sigv4_request *request,
                             struct sigv4_scratch *scratch, struct buf *out);

/* A signature that is a part of the URL. */
struct sigv4_presign {
    uint32_t expires_s;
    const char *session_token; /* NULL: none */
    bool token_unsigned;       /* it is appended behind what is signed, as few services want it */
};

/* The query that is signed: the request's own, and behind it what says how it is signed. Then all at once:
 * that query with its signature. In the order in which botocore writes them. headers are those to be signed:
 * host, and no x-amz-date. ERR_TOO_LONG; what was appended to out is not complete then. */
enum err sigv4_presigned_query(const struct sigv4_scope *scope, const struct sigv4_request *request,
                               const struct sigv4_presign *presign, struct buf *out);
enum err sigv4_presign(const struct sigv4_scope *scope, const struct sigv4_request *request,
                       const struct sigv4_presign *presign, struct sigv4_scratch *scratch, struct buf *out);

/* Appends the text as a part of a query has it. */
void sigv4_put_encoded(struct buf *out, const char *text);

#endif
