/* Waiting for credentials: one attempt after another, until they come, waiting cannot help, or the deadline
 * has come. */
#ifndef POD_IDENTITY_INIT_WAIT_H
#define POD_IDENTITY_INIT_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/pod/credentials.h"
#include "common/source/fetch.h"
#include "common/source/verdict.h"
#include "init/wait_policy.h"

struct wait_request {
    struct source *source; /* opened */
    struct fetch *fetch;   /* zero */
    struct uri *alternate; /* asked in turn with the source's address while nobody answers; NULL: none.
                              The source keeps the one that was asked last, and this is the other one */
    int64_t wait_ms;       /* 0: one attempt */
    int64_t min_ttl_ms;    /* credentials with less than that left are a failure */
    bool keep_result;      /* leave the credentials in the source */
    int64_t not_before_s;  /* of the token, wall time; 0 if it does not say */
};

struct wait_result {
    /* Of the last attempt that the verdict has taken, as are all but attempts and waited_ms; reason is
     * REASON_OK if credentials came and live long enough. */
    struct failure failure;
    struct verdict verdict;
    bool answered;        /* it got an answer, of whatever kind */
    bool has_credentials; /* it was credentials, perhaps too short-lived */
    unsigned attempts;
    int64_t waited_ms, answer_ms; /* all in all; the last answer alone */
    int64_t expires_ms;           /* wall time, as they say themselves */
    int64_t ends_wall_ms;         /* by this machine's clock */
    int64_t date_s,
        date_wall_ms; /* the server's clock in its last answer (0: it did not say), and ours then */
    char account_id[CREDENTIALS_ACCOUNT_MAX];
    char short_key_id[CREDENTIALS_SHORT_ID_MAX];
};

/* http_open(NULL) must have been called. Nothing secret is left in *out. A change of what is wrong is logged.
 */
void wait_for_credentials(const struct wait_request *request, struct wait_result *out);

#endif
