/* Temporary AWS credentials, where they come from as text, and the forms in which they are handed on. */
#ifndef POD_IDENTITY_POD_CREDENTIALS_H
#define POD_IDENTITY_POD_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/* Sizes with their NUL. IAM says 16 to 128 characters for a key id, and no limit for a session token. The
 * limit here keeps every rendering under the 10,000 bytes above which the AWS CRT refuses an answer. */
#define CREDENTIALS_KEY_ID_MAX 129
#define CREDENTIALS_SECRET_MAX 129
#define CREDENTIALS_TOKEN_MAX 8193
#define CREDENTIALS_ACCOUNT_MAX 13
#define CREDENTIALS_RENDERED_MAX 10000 /* bytes of any rendering, with its NUL */

/* The long one last, so that what it does not use takes no memory. */
struct credentials {
    int64_t expires_ms; /* wall time, milliseconds since the epoch; whole seconds, as every rendering shows */
    char account_id[CREDENTIALS_ACCOUNT_MAX]; /* "" if not known */
    char access_key_id[CREDENTIALS_KEY_ID_MAX];
    char secret_access_key[CREDENTIALS_SECRET_MAX];
    char session_token[CREDENTIALS_TOKEN_MAX];
};

/* Reads a container-credentials answer: {"AccessKeyId","SecretAccessKey","Token","Expiration"[,"AccountId"]}.
 * On an error *out is wiped and `field` is set to the part that is wrong: static text, no content of the
 * answer. ERR_EMPTY, ERR_SYNTAX, ERR_TOO_DEEP (not JSON); ERR_MISSING, ERR_TYPE, ERR_EMPTY, ERR_TOO_LONG,
 * ERR_CONTROL, ERR_RANGE (a field). An unusable AccountId is an error as well. */
enum err credentials_parse(const char *json, size_t len, struct credentials *out, const char **field);

/* Whether that can be a key or token: not empty, visible ASCII without quotes and backslashes. So no
 * rendering needs to escape it, and it cannot add a line to a file or a header. */
bool credentials_text_valid(const char *text);

/* The account of an ARN ("arn:aws:sts::111122223333:assumed-role/…"), or "" if it has none. */
void credentials_account_of_arn(const char *arn, char out[CREDENTIALS_ACCOUNT_MAX]);

/* Copies what is in use. */
void credentials_copy(const struct credentials *from, struct credentials *to);

/* For a struct that was zero before it was first filled: overwrites the text that is in use. */
void credentials_wipe(struct credentials *c);

/* The answer of /v1/credentials: what every AWS SDK accepts from a container endpoint. */
void credentials_render_container(const struct credentials *c, struct buf *out);
/* The output of a credential_process, Version 1. */
void credentials_render_process(const struct credentials *c, struct buf *out);
/* What the instance metadata service answers for a role. updated_s: when they were fetched, unix time. */
void credentials_render_instance(const struct credentials *c, int64_t updated_s, struct buf *out);
/* The keys of a profile in a shared credentials file, one a line, without the section's name. */
void credentials_render_profile(const struct credentials *c, struct buf *out);

/* Enough of an access key id to find it in CloudTrail, not all: "ASIA...WXYZ". */
#define CREDENTIALS_SHORT_ID_MAX 12
void credentials_short_id(const struct credentials *c, char out[CREDENTIALS_SHORT_ID_MAX]);

#endif
