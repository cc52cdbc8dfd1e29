/* The answers that pods get, as bytes: those of the EKS Pod Identity Agent (0.1.37), to the byte of their
 * texts. */
#ifndef POD_IDENTITY_AGENT_REPLIES_H
#define POD_IDENTITY_AGENT_REPLIES_H

#include "common/base/buf.h"
#include "common/pod/credentials.h"
#include "common/serve/answer.h"

#define REPLIES_TEXT_MAX 1536 /* of an error */

enum replies_fixed {
    REPLIES_NOT_FOUND,
    REPLIES_LIMITED, /* 429 with Retry-After */
    REPLIES_LATE,    /* 503 with Retry-After: nothing has come for 20 s */
    REPLIES_BUSY,    /* likewise: too many wait */
    REPLIES_FIXED
};
const struct answer *replies_fixed(enum replies_fixed which);

/* To what is no request that a handler sees: as Go's net/http words it. */
const struct answer *replies_refuse(int status);

/* retire: see server_retire(). */
typedef void replies_retire(const struct answer *answer);
void replies_open(replies_retire *retire);

/* An error's text, without its newline. A few of them live at a time: the storage of the oldest is used anew.
 * From within pick(). */
const struct answer *replies_error(int status, const char *text);
/* The same for what came of a flight; pick() never uses its storage. */
const struct answer *replies_outcome(int status, const char *text);
/* 200 with a body of credentials that no entry keeps. */
const struct answer *replies_passed(const char *body, size_t len);
/* 307 to that path. */
const struct answer *replies_redirect(const char *path, bool get);
/* For probes and metrics: a text of ours, text/plain. One at a time. */
struct buf replies_page_begin(void);
const struct answer *replies_page_end(int status, const char *type, const struct buf *body);

/* The body of 200. */
#define REPLIES_BODY_MAX CREDENTIALS_RENDERED_MAX
void replies_credentials(const struct credentials *c, struct buf *out);
/* Status line and headers of 200, without the empty line. */
void replies_head(size_t body_len, struct buf *out);

void replies_wipe(void);

#endif
