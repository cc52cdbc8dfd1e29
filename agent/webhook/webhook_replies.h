/* The answers of the webhook, as bytes. From within pick(). */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_WEBHOOK_REPLIES_H
#define POD_IDENTITY_AGENT_WEBHOOK_WEBHOOK_REPLIES_H

#include "common/base/buf.h"
#include "common/serve/answer.h"

/* See server_writes() and server_retire(). */
typedef bool webhook_replies_writes(const struct answer *answer);
typedef void webhook_replies_retire(const struct answer *answer);
void webhook_replies_open(webhook_replies_writes *writes, webhook_replies_retire *retire);

/* An AdmissionReview, to be written to the buffer: of ADMISSION_ANSWER_MAX bytes. Sixteen clients may be slow
 * to take theirs; only then the storage of the oldest is used anew. */
struct buf webhook_replies_begin(void);
const struct answer *webhook_replies_review(const struct buf *body);

/* Of WEBHOOK_PAGE_MAX bytes, one at a time: text/plain. */
#define WEBHOOK_PAGE_MAX 8192
struct buf webhook_replies_page_begin(void);
const struct answer *webhook_replies_page(int status, const char *type, const struct buf *body);

/* A line of text. */
const struct answer *webhook_replies_error(int status, const char *text);
/* To what is no request that a handler sees. */
const struct answer *webhook_replies_refuse(int status);

#endif
