/* What a request is held against before anybody is asked, in the order and the words of the EKS Pod Identity
 * Agent (0.1.37). No I/O. */
#ifndef POD_IDENTITY_AGENT_JUDGE_H
#define POD_IDENTITY_AGENT_JUDGE_H

#include "common/base/buf.h"
#include "common/pod/jwt.h"

#define JUDGE_IPV4 "169.254.170.23"
#define JUDGE_IPV6 "fd00:ec2::23"
#define JUDGE_PATH "/v1/credentials"

/* Writes the path as Go's ServeMux wants it, without empty and dotted parts. False if it is so already, or
 * has what a header or a page would not take as it is: nobody has such a path. */
bool judge_clean_path(const char *path, struct buf *out);

/* Whether a Host header names one of the two addresses, with or without port and brackets; else error has the
 * text of the 403. */
bool judge_host(const char *host, struct buf *error);

/* Whether the token has the form of a JWT: its claims, or the text of the 400. A token whose claims are too
 * large to be read here is taken as one that says nothing (all claims empty): whoever is asked judges it. */
bool judge_token(const char *token, size_t len, struct jwt_claims *claims, struct buf *error);

/* exp and nbf, both optional, no leeway. 0: not there. */
bool judge_times(int64_t expires_s, int64_t not_before_s, int64_t now_ms, struct buf *error);

#endif
